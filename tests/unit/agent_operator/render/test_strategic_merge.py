"""Pod templates merge as `kubectl patch` merges them. The oracle is localkube, which has the schemas of Kubernetes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_operator.render.strategic_merge import MergeError, merge
from kubeschema.schema import builtin
from localkube.apiserver.fields.strategic import strategic_merge

Values = st.SearchStrategy[Any]
NAMES = st.sampled_from(["agent", "proxy", "log"])


def some(**fields: Values) -> Values:
    return st.fixed_dictionaries({}, optional=fields)


def items(key: str, values: Values, *, patch: bool, **fields: Values) -> Values:
    """Lists of objects that `key` identifies. A patch may delete an item or replace the list."""
    item = st.fixed_dictionaries({key: values}, optional=fields)
    if not patch:
        return st.lists(item, max_size=3, unique_by=lambda it: str(it[key]))
    gone = st.fixed_dictionaries({key: values, "$patch": st.just("delete")})
    named = st.lists(item | item | gone, max_size=3, unique_by=lambda it: str(it[key]))
    # Kubernetes keeps directives inside of a list that replaces another one. This merge removes them.
    return st.one_of(named, named, named.map(lambda found: [*plain(found), {"$patch": "replace"}]))


def plain(value: Any) -> Any:
    """The value without directives."""
    if isinstance(value, dict):
        return {key: plain(below) for key, below in value.items() if key != "$patch"}
    if isinstance(value, list):
        return [plain(item) for item in value if not (isinstance(item, dict) and "$patch" in item)]
    return value


def containers(*, patch: bool) -> Values:
    text = st.sampled_from(["a", "b"])
    context = some(runAsUser=st.integers(0, 2), capabilities=some(drop=st.lists(text, max_size=2)))
    return items(
        "name",
        NAMES,
        patch=patch,
        image=text,
        args=st.lists(text, max_size=2),
        env=items("name", NAMES, patch=patch, value=text),
        volumeMounts=items("mountPath", text, patch=patch, name=text),
        ports=items("containerPort", st.integers(1, 3), patch=patch, name=text),
        resources=some(limits=some(cpu=text, memory=text)),
        securityContext=context | context.map(lambda found: {**found, "$patch": "replace"}) if patch else context,
    )


def templates(*, patch: bool) -> Values:
    text = st.sampled_from(["a", "b"])
    pod = some(
        containers=containers(patch=patch),
        initContainers=containers(patch=patch),
        volumes=items("name", NAMES, patch=patch, emptyDir=some(medium=text)),
        tolerations=st.lists(some(key=text), max_size=2),
        imagePullSecrets=items("name", NAMES, patch=patch),
        hostAliases=items("ip", text, patch=patch, hostnames=st.lists(text, max_size=2)),
        topologySpreadConstraints=items("topologyKey", text, patch=patch, maxSkew=st.integers(1, 2)),
        nodeSelector=some(a=text, b=text),
        hostNetwork=st.booleans(),
        **({"priorityClassName": st.none() | text} if patch else {"priorityClassName": text}),
    )
    return some(metadata=some(labels=some(a=text, b=text | st.none() if patch else text)), spec=pod)


@settings(max_examples=400, deadline=None)
@given(templates(patch=False), templates(patch=True))
def test_it_merges_as_kubernetes_does(live: dict[str, Any], patch: dict[str, Any]) -> None:
    kind = builtin("apps", "v1", "Deployment")
    assert kind is not None
    whole = strategic_merge(kind, {"spec": {"template": live}}, {"spec": {"template": patch}})

    assert merge(live, patch) == whole["spec"]["template"]


def test_arguments_are_not_changed() -> None:
    live, patch = {"spec": {"containers": [{"name": "agent"}]}}, {"spec": {"containers": [{"name": "log"}]}}

    merge(live, patch)

    assert (live, patch) == (
        {"spec": {"containers": [{"name": "agent"}]}},
        {"spec": {"containers": [{"name": "log"}]}},
    )


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"spec": {"$patch": "remove"}}, "spec"),
        ({"spec": {"$setElementOrder/containers": []}}, "spec.$setElementOrder/containers"),
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers"),
        ({"spec": {"containers": [{"name": {}}]}}, "spec.containers"),
        ({"spec": {"containers": ["x"]}}, "spec.containers"),
        ({"spec": {"containers": [{"name": "a", "env": [{"value": "x"}]}]}}, "spec.containers[a].env"),
    ],
)
def test_a_malformed_patch_is_refused_with_its_path(patch: dict[str, Any], path: str) -> None:
    with pytest.raises(MergeError) as caught:
        merge({}, patch)

    assert caught.value.path == path
