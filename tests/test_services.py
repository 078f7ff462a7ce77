"""Services are rows of a table; a key and a prompt go where they belong, or nowhere."""

import dataclasses
import re

import pytest

import fusion_nb
from fusion_nb.core import Message, Ref, Request
from fusion_nb.errors import KeyMissing, UnknownName, UserError
from fusion_nb.providers import service_addresses
from fusion_nb.providers.chat import request_body
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.service_addresses import parse
from fusion_nb.providers.services import SERVICES, service_named
from tests.wire_server import WireServer, reply, response


def test_the_table() -> None:
    """Every service of the table is at a place its key may go to, over TLS unless it is on this machine."""
    assert set(SERVICES) == {
        "openrouter", "openai", "anthropic", "gemini", "ollama", "lmstudio", "vllm", "llamacpp", "litellm", "groq",
        "together", "deepseek", "mistral", "xai", "fireworks",
    }  # fmt: skip
    for row in SERVICES.values():
        address = parse(row.base_url)
        service_addresses.check_address(row.base_url, address)
        assert not row.base_url.endswith("/")
        assert (address.scheme == "https") == (not address.loopback)
        assert row.key_env is not None or row.name == "ollama"
        assert row.key_optional or address.scheme == "https" or row.key_env is None
    assert len({row.base_url for row in SERVICES.values()}) == len(SERVICES)
    variables = [variable for row in SERVICES.values() for variable in row.keys]
    assert len(variables) == len(set(variables))


def test_rows_are_values() -> None:
    """Nobody can point a service, and its key, somewhere else at run time."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        SERVICES["openai"].base_url = "https://evil.example"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://llm.example/v1", "https://llm.example/v1"),
        ("https://llm.example/v1/", "https://llm.example/v1"),
        ("https://llm.example/v1/chat/completions", "https://llm.example/v1"),
        ("https://10.0.0.5:8443/v1", "https://10.0.0.5:8443/v1"),
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1"),
        ("http://127.8.9.1/v1", "http://127.8.9.1/v1"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1"),
        ("HTTP://LOCALHOST:9000/v1", "HTTP://LOCALHOST:9000/v1"),
        ("https://xn--bcher-kva.example/v1", "https://xn--bcher-kva.example/v1"),
    ],
)
def test_addresses_of_ones_own(url: str, kept: str) -> None:
    """Any https server, and http on this machine, can be a service."""
    assert custom_service("mine", url, "MINE_API_KEY").base_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://llm.example/v1", "http://10.0.0.5/v1", "http://192.168.1.2/v1", "http://0.0.0.0:8000/v1",
        "http://127.0.0.1.evil.example/v1", "http://localhost.evil.example/v1", "http://localhost./v1", "http://127.0.0.1./v1",
        "http://2130706433/v1", "http://0x7f000001/v1", "http://0x7f.0.0.1/v1", "http://0177.0.0.1/v1", "http://127.1/v1", "http://127.0.1/v1",
        "http://[::ffff:10.0.0.1]/v1", "http://[::]/v1", "http://[fe80::1]/v1", "http://[fe80::1%25eth0]/v1",
        "http://user@127.0.0.1/v1", "http://127.0.0.1@evil.example/v1", "http://127.0.0.1:80@evil.example/v1",
        "http://127.0.0.1\\@evil.example/v1", "http://evil.example\\@127.0.0.1/v1", "http:\\\\127.0.0.1/v1", "http://127.0.0.1#@evil.example/",
        "http://evil.example#@127.0.0.1/", "http://127.0.0.1?@evil.example/", "https://host.example/v1?key=1", "https://host.example/v1#x",
        "https://user:pass@host.example/v1", "https://openrouter.ai@evil.example/api/v1",
        "https://169.254.169.254/latest", "http://169.254.169.254/latest", "https://2852039166/", "https://0xa9fea9fe/", "https://[fd00:ec2::254]/",
        "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/", "https://100.100.100.200/", "https://metadata.google.internal/", "https://metadata/",
        "https://[2002:a9fe:a9fe::]/", "https://224.0.0.1/", "https://0.0.0.0/", "https://example.com./v1", "https://-bad-.example/",
        "ftp://host.example/", "file:///etc/passwd", "javascript:alert(1)", "//host.example/v1", "host.example/v1", "https://", "https:///v1", "",
        "https://ho st.example/", "https://host.example/v1\r\nX: y", "https://host.example:99999/", "https://host.example:x/", "https://host.example:0/", "https://оpenrouter.ai/api/v1",
        "https://host%2eexample/", "https://[::1/", "https://host.example/\x00",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    """Unencrypted ways off this machine, metadata, and whatever two parsers could read in two ways are refused."""
    with pytest.raises(UserError) as refused:
        custom_service("mine", url, "MINE_API_KEY")
    assert len(str(refused.value)) > 30
    assert "user:pass" not in str(refused.value)


@pytest.mark.parametrize("name", ["openai", "mine"])
@pytest.mark.parametrize("variable", ["OPENROUTER_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY"])
def test_a_known_key_goes_to_its_own_service_alone(name: str, variable: str) -> None:
    """A configuration cannot have the key of a known service sent to another address."""
    with pytest.raises(UserError, match=f"{variable} belongs to"):
        custom_service(name, "https://evil.example/v1", variable)


def test_a_known_key_at_home() -> None:
    """Another path of the same service may have its key."""
    row = custom_service("openai", "https://api.openai.com/v2", "OPENAI_API_KEY")
    assert (row.base_url, row.key_env, row.prices_id) == ("https://api.openai.com/v2", "OPENAI_API_KEY", "openai")


def test_a_service_of_the_table_elsewhere_leaves_its_key_behind() -> None:
    """`openai` at another address keeps its habits, and gets no key that was not named for it."""
    row = custom_service("openai", "https://proxy.example/v1")
    assert (row.keys, row.max_tokens) == ((), "max_completion_tokens")
    row = custom_service("ollama", "http://127.0.0.1:9999/v1")
    assert (row.local, row.base_url) == (True, "http://127.0.0.1:9999/v1")


@pytest.mark.parametrize("variable", ["MY KEY", "1KEY", "A=B", "", "K\n"])
def test_variables_are_names(variable: str) -> None:
    """What names a key's variable is a name."""
    with pytest.raises(UserError, match="name of an environment variable"):
        custom_service("mine", "https://host.example/v1", variable)


def test_a_key_in_place_of_its_name_is_refused_without_showing_it() -> None:
    """Who writes the key itself into the configuration is told, without it."""
    key = "sk-or-v1-" + "ab12" * 16
    with pytest.raises(KeyMissing) as refused:
        custom_service("mine", "https://host.example/v1", key)
    assert key not in str(refused.value)


FIELDS = {
    "max_tokens": "max_completion_tokens",
    "seed": None,
    "stream_options": False,
    "reasoning": None,
    "structured": True,
    "headers": {"anthropic-workspace-id": "wrkspc_1"},
    "body": {"drop_params": True, "top_k": 40, "provider": {"order": ["a"]}},
}


def test_a_service_of_ones_own_sets_its_fields() -> None:
    """Whatever a gateway wants named otherwise, or not at all, can be set in its row; what is not set stays."""
    row = custom_service("mine", "https://host.example/v1", "MINE_API_KEY", **FIELDS)
    request = Request(Ref("mine", "m"), (Message("user", "x"),), 9, None, 5, "high", {"type": "object"})
    body, warnings = request_body(request, row)
    assert (body["max_completion_tokens"], body["drop_params"], body["top_k"]) == (9, True, 40)
    assert "response_format" in body
    assert not {"max_tokens", "seed", "stream_options", "reasoning_effort"} & set(body)
    assert warnings == ("seed_ignored", "reasoning_ignored")
    assert dict(row.headers) == FIELDS["headers"]
    plain = custom_service("mine", "https://host.example/v1", "MINE_API_KEY")
    assert {"max_tokens", "seed", "stream_options"} <= set(request_body(request, plain)[0])


def test_a_service_of_the_table_takes_fields_without_an_address() -> None:
    """`anthropic` with a header for its workspace stays what it is, at its own address, with its own key."""
    row = custom_service("anthropic", headers={"anthropic-workspace-id": "wrkspc_1"})
    assert (row.base_url, row.key_env, row.seed) == (SERVICES["anthropic"].base_url, "ANTHROPIC_API_KEY", None)
    routed = custom_service("openrouter", headers={"X-Trace": "on"}, body={"transforms": []})
    assert dict(routed.headers) == {**dict(SERVICES["openrouter"].headers), "X-Trace": "on"}
    assert set(dict(routed.body)) == {"plugins", "transforms"}
    assert dict(SERVICES["litellm"].body) == {"drop_params": True}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"max_tokens": "max_new_tokens"},
            "max_tokens of service 'mine' must be 'max_tokens' or 'max_completion_tokens'",
        ),
        ({"seed": True}, "seed of service"),
        ({"stream_options": 1}, "must be True or False, not '1'"),
        ({"structured": "yes"}, "structured of service"),
        ({"local": True}, "is not on this machine"),
        ({"headers": ["a: b"]}, "headers of service 'mine' must be a dictionary"),
        ({"headers": {"Authorization": "Bearer x"}}, "name its variable as key_env"),
        ({"headers": {"x-api-key": "abc"}}, "name its variable as key_env"),
        ({"headers": {"Host": "evil.example"}}, "cannot be a header"),
        ({"headers": {"a b": "c"}}, "cannot be a header"),
        ({"headers": {"X-A": "b\r\nX-Evil: c"}}, "one line of plain text"),
        ({"headers": {"X-A": "sk-or-v1-" + "ab12" * 16}}, "looks like an API key"),
        ({"body": {"api_key": "sk-or-v1-" + "ab12" * 16}}, "looks like an API key"),
        ({"body": {"messages": []}}, "an option of the call sets it"),
        ({"body": {"max_completion_tokens": 10**6}}, "an option of the call sets it"),
        ({"body": {"n": 5}}, "an option of the call sets it"),
        ({"body": {"x": {1, 2}}}, "what JSON can"),
        ({"body": {"x": float("nan")}}, "what JSON can"),
        ({"body": {"x": "y" * 30_000}}, "too long"),
        ({"base_ulr": "x"}, "base_url"),
        ({"name": "x"}, "There are base_url, key_env, max_tokens"),
    ],
)
def test_a_field_that_may_not_stand_is_refused(fields: dict[str, object], sentence: str) -> None:
    """One sentence: what may stand there. Nothing that would carry a key, break a request, or pass a cap."""
    with pytest.raises(UserError, match=re.escape(sentence)) as refused:
        custom_service("mine", "https://host.example/v1", "MINE_API_KEY", **fields)  # type: ignore[arg-type]
    assert "ab12" not in str(refused.value)


def test_a_service_needs_an_address() -> None:
    """Only a service of the table is known without one."""
    with pytest.raises(UserError, match="has no address: give its base_url"):
        custom_service("mine", key_env="MINE_API_KEY")
    with pytest.raises(UserError, match="must be text"):
        custom_service("mine", 80)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("service", "level", "sent"),
    [
        ("openai", "max", "xhigh"), ("openai", "minimal", "minimal"), ("gemini", "xhigh", "high"), ("xai", "max", "high"),
        ("mistral", "medium", "high"), ("mistral", "low", "none"), ("deepseek", "max", "max"), ("deepseek", "none", "minimal"),
        ("together", "none", "low"), ("fireworks", "max", "xhigh"), ("vllm", "minimal", "none"), ("litellm", "max", "max"),
    ],
)  # fmt: skip
def test_a_level_of_reasoning_goes_out_as_the_nearest_a_service_takes(service: str, level: str, sent: str) -> None:
    """`--reasoning max` is refused by nobody: each service is asked for the nearest level it documents."""
    request = Request(Ref(service, "m"), (Message("user", "x"),), 9, None, None, level)
    assert request_body(request, SERVICES[service])[0]["reasoning_effort"] == sent


@pytest.mark.parametrize("url", ["http://0.0.0.0:8000/v1", "http://[::]:8000/v1", "https://0.0.0.0:8000/v1"])
def test_an_address_a_server_listens_at_is_explained(url: str) -> None:
    """Servers print 0.0.0.0 as theirs: the sentence has the address to write, and it is one that is taken."""
    with pytest.raises(UserError, match="where a server listens") as refused:
        custom_service("mine", url)
    remedy = re.search(r"write (\S+)\.$", str(refused.value))
    assert remedy is not None
    assert remedy[1].endswith("://127.0.0.1:8000/v1")
    assert custom_service("mine", remedy[1]).base_url == remedy[1]


@pytest.mark.parametrize("name", ["", "a b", "demo", "local", "python", "x:y", "../x", "x" * 50])
def test_names_are_words(name: str) -> None:
    """A service's name is a word that means nothing else."""
    with pytest.raises(UserError, match="Service name"):
        custom_service(name, "https://host.example/v1", "MINE_API_KEY")


def test_unknown_services_have_neighbours() -> None:
    """A misspelt service is answered with the nearest there is."""
    with pytest.raises(UnknownName, match="openrouter"):
        service_named("openruter")
    assert service_named("mine", {"mine": custom_service("mine", "https://host.example/v1")}).name == "mine"


def test_the_headers_of_a_service_go_with_everything_it_is_asked() -> None:
    """A header for a workspace or a gateway stands in the chat, in the list of models, and nowhere else."""
    headers = {"anthropic-workspace-id": "wrkspc_1"}
    with WireServer(
        lambda request: reply("Hi.") if request.method == "POST" else response(200, b'{"data": [{"id": "m"}]}')
    ) as server:
        services = {"mine": {"base_url": server.url, "headers": headers}, "other": {"base_url": server.url}}
        fusion_nb.fuse("Hi?", ["mine:m"], services=services, journal=False)
        fusion_nb.fuse("Hi?", ["other:m"], services=services, journal=False)
        fusion_nb.estimate("Hi?", ["mine:m"], services=services)
        heard = [(request.method, request.headers.get("anthropic-workspace-id")) for request in server.requests]
    assert heard[:2] == [("POST", "wrkspc_1"), ("POST", None)]
    assert ("GET", "wrkspc_1") in heard[2:]
