"""The hooks in React 18 and 19, under StrictMode, in a real browser against a real service."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from nodejs import NotInstalledError, alone, install, run
from playwright.sync_api import Browser, Page, Request

from support.browser import running_browser
from support.documents import ROOT
from support.processes import NotifyProcess
from support.servers import TestServer, require
from support.users import User
from support.waiting import until
from support.websites import SECRET, Website

TOOLS = ROOT / "scripts" / "javascript"
PACKAGES = {"18": "-18", "19": ""}
both = pytest.mark.parametrize("react", PACKAGES)
"""Without it a test sees React 19."""
