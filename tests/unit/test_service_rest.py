"""REST under fire: whatever is asked, the answer is lawful JSON and never a server error."""

import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from service_stage import found, posted, priced

from fairway.service.house import House, Settings
from fairway.service.serve import application

GETS = ["ping", "time", "depth", "trades", "premiumIndex", "openInterest", "insurance"]
GETS += [
    "bookTicker",
    "klines",
    "ticker/24hr",
    "fundingRate",
    "openInterestHist",
    "forceOrders",
    "deleverages",
    "leverageBracket",
]
GETS += ["channel/state", "proofs/settlement", "status", "oracle/round", "schema", "schema/openapi.json", ""]
ASKING = {"depth", "bookTicker", "openInterest"}
"""Of a known market these ask the loop, which tests/e2e has running; so does `exchangeInfo`."""
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["ETH-TON", "TON-USD", "1h", "0" * 32, "0" * 64, "-1", "1e9", str(2**70)]
)
QUERIES = st.dictionaries(
    st.sampled_from(["symbol", "limit", "channelId", "txid", "interval", "endTime", "x"]), TEXTS, max_size=4
)
VALUES = (
    st.integers(-(2**70), 2**70) | st.text(max_size=20) | st.none() | st.floats() | st.lists(st.integers(), max_size=2)
)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """The application over a house whose loop does not run: nothing that reaches the loop is lawful here."""
    house = House.open(Settings(found(tmp_path_factory.mktemp("venue"))))
    yield application(house)
    house.close(clean=False)


async def ask(web, method, path, **options):
    transport = httpx.ASGITransport(web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://fairway") as client:
        return await client.request(method, f"/v1/{path}", **options)


def check(answer):
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        body = answer.json()
        assert isinstance(body["code"], int)
        assert body["msg"]
        assert body["data"]["code"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(GETS), query=QUERIES)
async def test_no_query_makes_the_server_fail(web, path, query):
    if path == "channel/state" and len(query.get("channelId", "")) == 32:
        return  # asks the loop too
    if path in ASKING and query.get("symbol") in {"ETH-TON", "TON-USD"}:
        return
    check(await ask(web, "GET", path, params=query))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200) | st.dictionaries(st.sampled_from(sorted(posted(priced(1)))), VALUES).map(repr))
async def test_no_body_makes_the_server_fail(web, body):
    content = body if isinstance(body, bytes) else body.replace("'", '"').encode(errors="replace")
    check(await ask(web, "POST", "oracle/round", content=content))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["ping", "depth", "oracle/round", "nowhere"])
async def test_no_method_makes_the_server_fail(web, method, path):
    check(await ask(web, method, path))


async def test_a_body_without_end_is_cut_off(web):
    assert (await ask(web, "POST", "oracle/round", content=b"0" * 100_000)).status_code == 413


async def test_the_interface_describes_itself(web):
    paths = (await ask(web, "GET", "schema/openapi.json")).json()["paths"]
    assert {"/v1/depth", "/v1/exchangeInfo", "/v1/oracle/round", "/v1/status"} <= paths.keys()
