"""Creates and updates objects in the store, for HTTP requests as well as for controllers."""

from collections.abc import Callable

from kubeschema import decode as decoding
from kubeschema.errors import FieldsError
from localkube import clock
from localkube.apiserver import admission, scale, transitions, versions
from localkube.apiserver.fields import apply as server_side
from localkube.apiserver.fields import managed, prepare
from localkube.apiserver.fields.service_types import drop_unused_fields
from localkube.apiserver.options import Outcome, WriteOptions
from localkube.apiserver.resources import Resource
from localkube.apiserver.storage.store import Record, Store
from localkube.apiserver.strategy import Strategy
from localkube.meta import status
from localkube.meta.status import Object


class Writer:
    """Creates and updates objects. `strategies` returns the strategy of a resource in a version."""

    def __init__(
        self, store: Store, strategies: Callable[[Resource, str], Strategy], addresses: admission.ServiceAddresses
    ) -> None:
        self._store = store
        self._strategies = strategies
        self._addresses = addresses

    def create(self, resource: Resource, namespace: str, obj: Object, options: WriteOptions) -> Outcome:
        """Create an object. Raises ApiError 400, 403, 404, 409, 422."""
        version = options.version or resource.storage_version
        strategy = self._strategies(resource, version)
        obj, problems = self._decode(
            resource, version, strategy, transitions.new_object(resource, namespace, obj), options
        )
        obj = managed.on_update(
            strategy.schema,
            None,
            obj,
            manager=options.manager,
            api_version=resource.group_version(version),
            now=clock.timestamp(clock.now()),
            ignored=strategy.ignored(""),
        )
        outcome = self._insert(resource, namespace, obj, strategy, options)
        return outcome._replace(warnings=tuple(problems))

    def _insert(
        self, resource: Resource, namespace: str, obj: Object, strategy: Strategy, options: WriteOptions
    ) -> Outcome:
        """Admit, validate and store a new object that has its managedFields."""
        admission.check_namespace(self._store, resource, namespace, obj)
        obj = admission.admit(resource, strategy.prepare_create(obj))
        meta = dict(obj["metadata"])
        obj = {**obj, "metadata": meta}
        causes = strategy.validate_create(obj)
        name = meta.get("name", "")
        if causes:
            raise status.invalid(resource.group, resource.kind, name, causes)
        key = (namespace, name)
        existing = self._store.bucket(resource.key).get(key)
        if existing is not None:
            deleting = "deletionTimestamp" in existing.object["metadata"]
            raise status.already_exists(resource.group, resource.plural, name, deleting=deleting)
        obj = self._addresses.allocate(resource, obj)
        if options.dry_run:
            meta.pop("resourceVersion", None)
            return Outcome(obj, created=True)
        record = self._store.put(resource.key, key, obj, None)
        return Outcome(record.object, record, created=True)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions,
    ) -> Outcome:
        """Replace an object with the result of `change`, in the request's version. Raises ApiError 404, 409, 422."""
        live = self.live(resource, namespace, name)
        version = options.version or resource.storage_version
        strategy = self._strategies(resource, version)
        shown = versions.served(resource, version, live.object)
        changed = change(shown)
        new, problems = self._decode(resource, version, strategy, changed, options)
        new = transitions.keep_system_metadata(resource, live, new, options)
        new = managed.on_update(
            strategy.schema,
            versions.stored(resource, version, shown),
            new,
            manager=options.manager,
            api_version=resource.group_version(version),
            now=clock.timestamp(clock.now()),
            subresource=options.subresource,
            ignored=strategy.ignored(options.subresource),
        )
        return self._replace(resource, live, new, strategy, options)._replace(warnings=tuple(problems))

    def apply(self, resource: Resource, namespace: str, applied: Object, options: WriteOptions) -> Outcome:
        """Run a server-side apply, which creates a missing object. Raises ApiError 400, 404, 409, 422."""
        strategy = self._strategies(resource, options.version or resource.storage_version)
        name = applied["metadata"]["name"]
        live = self._store.bucket(resource.key).get((namespace, name))
        if live is None and options.subresource:
            raise status.not_found(resource.group, resource.plural, name)
        if live is None and (uid := applied["metadata"].get("uid")):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise status.conflict(resource.group, resource.plural, name, why)
        new, warnings = self._merge(resource, live, applied, strategy, options)
        if live is None:
            new = transitions.new_object(resource, namespace, new)
            return self._insert(resource, namespace, new, strategy, options)._replace(warnings=warnings)
        transitions.check_preconditions(resource, live, applied["metadata"], options)
        if new is live.object:
            return Outcome(live.object, live)
        new = transitions.keep_system_metadata(resource, live, new, options)
        return self._replace(resource, live, new, strategy, options)._replace(warnings=warnings)

    def _merge(
        self, resource: Resource, live: Record | None, applied: Object, strategy: Strategy, options: WriteOptions
    ) -> tuple[Object, tuple[str, ...]]:
        """Merge an applied configuration into the live object; returns the object and warnings."""
        version = options.version or resource.storage_version
        warnings: list[str] = []

        def complete(merged: Object) -> Object:
            obj, problems = self._decode(resource, version, strategy, merged, options)
            warnings.extend(problems)
            return obj

        metadata = {k: v for k, v in applied["metadata"].items() if k != "resourceVersion"}
        try:
            new = server_side.apply(
                strategy.schema,
                None if live is None else live.object,
                {**applied, "metadata": metadata},
                manager=options.manager,
                api_version=resource.group_version(version),
                now=clock.timestamp(clock.now()),
                force=options.force,
                subresource=options.subresource,
                ignored=strategy.ignored(options.subresource),
                default=complete,
            )
        except FieldsError as error:
            raise status.from_fields(error) from error
        return new, tuple(warnings)

    def rescale(self, resource: Resource, namespace: str, name: str, wanted: Object, options: WriteOptions) -> Outcome:
        """Set the replicas of a Scale. Raises ApiError 404, 409, 422."""
        live = self.live(resource, namespace, name)
        transitions.check_preconditions(resource, live, wanted.get("metadata") or {}, options)
        strategy = self._strategies(resource, resource.storage_version)
        new = scale.with_replicas(resource, live.object, wanted)
        new = managed.on_scale(
            live.object,
            new,
            manager=options.manager,
            api_version=resource.api_version,
            path=scale.replicas_path(resource),
        )
        return self._replace(resource, live, {**new, "metadata": dict(new["metadata"])}, strategy, options)

    def live(self, resource: Resource, namespace: str, name: str) -> Record:
        """The stored object. Raises ApiError 404."""
        record = self._store.bucket(resource.key).get((namespace, name))
        if record is None:
            raise status.not_found(resource.group, resource.plural, name)
        return record

    def _decode(
        self, resource: Resource, version: str, strategy: Strategy, obj: Object, options: WriteOptions
    ) -> tuple[Object, list[str]]:
        try:
            obj, problems = strategy.decode(obj)
            if problems and options.validation == "Strict":
                raise decoding.strict_error((resource.group, version, resource.kind), problems)
        except FieldsError as error:
            raise status.from_fields(error) from error
        obj = versions.stored(resource, version, strategy.default(obj))
        return obj, problems if options.validation == "Warn" else []

    def _replace(
        self, resource: Resource, live: Record, new: Object, strategy: Strategy, options: WriteOptions
    ) -> Outcome:
        """Validate and store a changed object that has its managedFields, unless nothing changed."""
        old = live.object
        new = transitions.restrict_to_subresource(resource, old, new, options.subresource)
        if resource.key == "services":
            new = prepare.with_families(drop_unused_fields(old, new))
        if transitions.is_unchanged(old, new):
            return Outcome(old, live)
        name = old["metadata"]["name"]
        causes = strategy.validate_update(old, new, options.subresource)
        if causes:
            raise status.invalid(resource.group, resource.kind, name, causes)
        new = self._addresses.allocate(resource, new)
        if options.dry_run:
            return Outcome(new)
        meta = new["metadata"]
        if (
            "deletionTimestamp" in meta
            and not meta.get("finalizers")
            and not admission.waits_for_removal(resource, new)
        ):
            return Outcome(self._store.drop(resource.key, live, new).object, removed=True)
        record = self._store.put(resource.key, live.key, new, live)
        return Outcome(record.object, record)
