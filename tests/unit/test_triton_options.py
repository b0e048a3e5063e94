"""Where Triton servers are said to be, and what may be said of them."""

from __future__ import annotations

import msgspec
import pytest

from gapless.errors import ConfigError
from gapless.infer.triton.options import TritonOptions


def test_a_table_needs_no_more_than_a_server() -> None:
    options = msgspec.toml.decode('urls = ["triton.local:8001"]', type=TritonOptions)
    assert options == TritonOptions(urls=("triton.local:8001",))
    assert (options.min_channels, options.max_channels, options.acquire_timeout_ms) == (5, 50, 500)


@pytest.mark.parametrize(
    "url", ["triton", "triton:", ":8001", "http://triton:8001", "triton:grpc", "triton:8001/v2"]
)
def test_a_server_is_named_by_host_and_port(url: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        TritonOptions(urls=("good:8001", url))


def test_a_server_has_to_be_named() -> None:
    with pytest.raises(ConfigError, match="no Triton server is named"):
        TritonOptions(urls=())
    with pytest.raises(msgspec.ValidationError, match="urls"):
        msgspec.toml.decode('model = "m"', type=TritonOptions)


def test_the_fewest_channels_are_not_more_than_the_most() -> None:
    with pytest.raises(ConfigError, match="min_channels is 5, more than max_channels, 4"):
        TritonOptions(urls=("here:1",), max_channels=4)


@pytest.mark.parametrize(
    "line", ["max_channels = 0", "attempts = 0", "idle_ms = 0", "no_such = 1", 'tls = "yes"']
)
def test_a_table_with_a_wrong_line_is_refused(line: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(f'urls = ["here:1"]\n{line}', type=TritonOptions)
