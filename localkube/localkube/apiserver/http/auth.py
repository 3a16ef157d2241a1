"""Authentication and authorization: the holder of the token is the administrator; other users have no rights."""

import secrets

from aiohttp import web

from localkube.apiserver.http.route import Target
from localkube.meta import status
from localkube.meta.status import ApiError

ADMIN = "kubernetes-admin"
ANONYMOUS = "system:anonymous"
OPEN_PATHS = frozenset(("/healthz", "/livez", "/readyz", "/version"))
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def user(request: web.BaseRequest, token: str) -> str:
    """The user of a request. Raises ApiError 401 for a wrong token. Without a server token, every user is the admin."""
    # The case of the scheme varies: kubernetes-client/python sends "bearer" with the token of a ServiceAccount.
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not token:
        name = ADMIN
    elif not scheme:
        name = ANONYMOUS
    elif scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode()):
        name = ADMIN
    else:
        raise status.unauthorized()
    return request.headers.get("Impersonate-User", name) if name == ADMIN else name


def refuse(request: web.BaseRequest, name: str, target: Target | None) -> ApiError:
    """403 for a request, in the wording of kube-apiserver."""
    if target is None:
        verb = _VERBS.get(request.method, request.method.lower())
        why = f'User "{name}" cannot {verb} path "{request.path}"'
        return ApiError(status.make(403, "Forbidden", f"forbidden: {why}", {}))
    verb = _VERBS.get(request.method, request.method.lower())
    if not target.name and verb in ("get", "delete"):
        verb = "list" if verb == "get" else "deletecollection"
        verb = "watch" if verb == "list" and request.query.get("watch", "") in ("1", "true") else verb
    resource = target.resource
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    plural = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
    why = f'User "{name}" cannot {verb} resource "{plural}" in API group "{resource.group}" {where}'
    return status.forbidden(resource.group, resource.plural, target.name, why)
