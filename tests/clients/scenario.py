"""What the drivers in Python share: checks by name, and a line of JSON about them. scenario.mjs says what a driver is given."""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

# A check that takes longer hangs.
CHECK_TIMEOUT_SECONDS = 60
# Characters of a failure's message that are reported.
MESSAGE_MAX = 2000

URL = os.environ["LATHE_URL"]
WS_URL = URL.replace("http", "ws", 1)

# Keys of the development accounts, which every Ethereum devnet has.
KEYS = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
]
ADDRESSES = [
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
]
# An account that nobody has the key of.
STRANGER = "0x0000000000000000000000000000000000123456"
ZERO_ADDRESS = "0x" + "00" * 20
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
ETHER = 10**18
TOKEN_SUPPLY = 1_000 * ETHER
MAX_UINT256 = 2**256 - 1

# ABI-encoded reverts that the probe passes on: Error("sold out") and Panic(0x11).
SOLD_OUT = "0x08c379a0" + f"{0x20:064x}" + f"{8:064x}" + b"sold out".hex().ljust(64, "0")
OVERFLOW = "0x4e487b71" + f"{0x11:064x}"

# Typed data that wallets are asked to sign.
TYPED_DATA = {
    "domain": {"name": "Lathe", "version": "1", "chainId": 31337, "verifyingContract": MULTICALL3},
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person[]"},
            {"name": "amount", "type": "uint256"},
        ],
    },
    "primaryType": "Mail",
    "message": {
        "from": {"name": "Alice", "wallet": ADDRESSES[0]},
        "to": [{"name": "Bob", "wallet": ADDRESSES[1]}, {"name": "Carol", "wallet": ADDRESSES[2]}],
        "amount": 1234567890,
    },
}


def artifact(name):
    """Returns an artifact as hardhat writes it."""
    place = Path(os.environ["LATHE_ARTIFACTS"]) / "contracts" / f"{name}.sol" / f"{name}.json"
    return json.loads(place.read_text())


def equal(actual, expected):
    """Fails unless the two are equal."""
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def holds(condition, what):
    """Fails unless the condition is true."""
    if not condition:
        raise AssertionError(what)


def thrown(kind, action, *args, **kwargs):
    """Returns the exception of this type that the action raises; anything else fails the check."""
    try:
        value = action(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {value!r}")


def until(condition):
    """Waits until the condition returns something true, and returns that; the check's time is the limit."""
    while not (value := condition()):
        time.sleep(0.02)
    return value


class Scenario:
    """The report of a client."""

    def __init__(self, client, version):
        names = json.loads((Path(__file__).parent / "checks.json").read_text())
        self._missing = [check["name"] for check in names]
        self._report = {"client": client, "version": version, "passed": [], "failed": {}, "absent": {}}

    def _claim(self, name):
        if name not in self._missing:
            raise RuntimeError(f"{name} is no check of checks.json, or there twice")
        self._missing.remove(name)

    def check(self, name):
        """Runs a function as the check of this name."""

        def run(action):
            self._claim(name)

            def expire(*_):
                raise TimeoutError(f"took more than {CHECK_TIMEOUT_SECONDS} s")

            signal.signal(signal.SIGALRM, expire)
            signal.alarm(CHECK_TIMEOUT_SECONDS)
            try:
                action()
                self._report["passed"].append(name)
            except Exception as error:  # Whatever it is, it is what the client says.
                place = "".join(traceback.format_tb(error.__traceback__)[-2:])
                self._report["failed"][name] = f"{type(error).__name__}: {error}\n{place}"[:MESSAGE_MAX]
            finally:
                signal.alarm(0)

        return run

    def absent(self, name, why):
        """Says why the client cannot have a check."""
        self._claim(name)
        self._report["absent"][name] = why

    def finish(self):
        """Prints the report and ends."""
        for name in self._missing:
            self._report["failed"][name] = "the driver does not say anything about this check"
        print(json.dumps(self._report), flush=True)
        sys.exit(0)
