"""Accept headers and paths."""

import pytest

from localkube.apiserver.http.negotiate import discovery_version, representation
from localkube.apiserver.http.route import PageNotFoundError, resolve
from localkube.apiserver.resources import ResourceTable
from localkube.meta.status import ApiError

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "shown_as"),
    [
        ("", ""),
        ("*/*", ""),
        (KUBECTL, "Table"),
        ("application/vnd.kubernetes.protobuf,application/json", ""),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadata"),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, application/json", ""),
    ],
)
def test_the_first_supported_representation_is_chosen(accept: str, shown_as: str) -> None:
    assert representation(accept).shown_as == shown_as


@pytest.mark.parametrize("accept", ["application/xml", "application/yaml", "application/vnd.kubernetes.protobuf"])
def test_unsupported_media_types_get_406(accept: str) -> None:
    with pytest.raises(ApiError) as caught:
        representation(accept)
    assert caught.value.code == 406


def test_aggregated_discovery_is_returned_on_request() -> None:
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    assert discovery_version(wanted) == "v2"
    assert discovery_version("application/json") == ""


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/pods", ("pods", "", "", "")),
        ("/api/v1/namespaces/n/pods/p/log", ("pods", "n", "p", "log")),
        ("/api/v1/namespaces/n", ("namespaces", "", "n", "")),
        ("/api/v1/namespaces/n/status", ("namespaces", "", "n", "status")),
        ("/api/v1/namespaces/n/finalize", ("namespaces", "", "n", "finalize")),
        ("/apis/apps/v1/namespaces/n/deployments/d/scale", ("deployments", "n", "d", "scale")),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles/c", ("clusterroles", "", "c", "")),
    ],
)
def test_paths_name_resources(path: str, named: tuple[str, str, str, str]) -> None:
    target = resolve(ResourceTable(), path)
    assert (target.resource.plural, target.namespace, target.name, target.subresource) == named


@pytest.mark.parametrize("path", ["/apis/nope/v1/things", "/apis/apps/v9/deployments", "/nope"])
def test_an_unknown_group_is_a_page_not_found(path: str) -> None:
    with pytest.raises(PageNotFoundError):
        resolve(ResourceTable(), path)


@pytest.mark.parametrize("path", ["/api/v1/gizmos", "/api/v1/namespaces/n/nodes", "/api/v1/pods/p"])
def test_an_unknown_resource_of_a_known_group_is_a_status(path: str) -> None:
    with pytest.raises(ApiError) as caught:
        resolve(ResourceTable(), path)
    assert caught.value.code == 404
