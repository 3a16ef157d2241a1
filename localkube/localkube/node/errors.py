"""Why a container cannot start, in the words of a kubelet."""


class ImageUnknownError(Exception):
    """The image is not in the map of images."""


class ConfigError(Exception):
    """A ConfigMap, a Secret or a key that the container's environment needs is not there."""


class MountError(Exception):
    """A volume cannot be made."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {why}')


class StartError(Exception):
    """The container's process cannot be started."""
