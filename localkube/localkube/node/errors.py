"""Why a container cannot start, in the wording of the kubelet."""


class ImageUnknownError(Exception):
    """The image is not in the map of images."""


class ConfigError(Exception):
    """A ConfigMap, a Secret or a key to which the container refers does not exist."""


class MountError(Exception):
    """A volume cannot be mounted."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {why}')


class StartError(Exception):
    """The container's process cannot be started."""
