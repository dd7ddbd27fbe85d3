"""The paths of the calls of a platform."""

from __future__ import annotations

START_PUSH = "/cgi-bin/component/api_start_push_ticket"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"  # noqa: S105  a path
PRE_AUTH_CODE = "/cgi-bin/component/api_create_preauthcode"
QUERY_AUTH = "/cgi-bin/component/api_query_auth"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"  # noqa: S105  a path
AUTHORIZER_LIST = "/cgi-bin/component/api_get_authorizer_list"
AUTHORIZER_INFO = "/cgi-bin/component/api_get_authorizer_info"
CLEAR_QUOTA = "/cgi-bin/component/clear_quota/v2"
QUOTA = "/cgi-bin/openapi/quota/get"
COMPONENT_PATHS = frozenset(
    {
        *(START_PUSH, COMPONENT_TOKEN, PRE_AUTH_CODE, QUERY_AUTH),
        *(AUTHORIZER_TOKEN, AUTHORIZER_LIST, AUTHORIZER_INFO, CLEAR_QUOTA),
    }
)
