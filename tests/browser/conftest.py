"""The demo's page over real HTTP, on a server of this process, and Chromium to look at it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from server.branding import edit_branding, read_changes, set_picture
from server.components import create_component
from server.config import Settings
from server.context import App, TenantContext
from server.demo import demo_tenant
from server.domains import add_domain, check_domain
from server.incidents import IncidentDraft, create_incident
from server.opening import open_app
from server.pictures import PictureRole
from server.tenants import TenantDraft, context_of, create_tenant
from status_site.app import create_site
from tests.clients import install
from tests.served import free_port
from tests.server.test_pictures import lettering

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
READY_SECONDS = 30
OWN_HOST = "status.lumen.example"
RESOLVE = f"--host-resolver-rules=MAP {OWN_HOST} 127.0.0.1"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo's page. The server runs in a thread: the browser's client blocks this one."""
    database = tmp_path_factory.mktemp("shop") / "shop.db"
    port, started = free_port(), threading.Event()
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        async with open_app(Settings(database_url=f"sqlite:///{database}", port=port)) as app:
            await prove_own_host(await demo_tenant(app))
            await make_branded_page(app)
            server.append(uvicorn.Server(uvicorn.Config(create_site(app), port=port, log_config=None)))
            running = asyncio.create_task(server[0].serve())
            while not server[0].started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            started.set()
            await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(READY_SECONDS)
        yield f"http://127.0.0.1:{port}/s/demo"
    finally:
        for one in server:
            one.should_exit = True
        thread.join(READY_SECONDS)


async def make_branded_page(app: App) -> None:
    """A page at /s/branded whose logo and colour, as they came, could not be read everywhere."""
    await create_tenant(app, TenantDraft(slug="branded", name="Lumen Cloud"))
    tenant = await context_of(app, "branded")
    links = {"home_url": "https://lumen.example/", "support_url": "mailto:help@lumen.example"}
    await edit_branding(tenant, read_changes({"colour": "#ffd400", **links}))
    for role in PictureRole:
        await set_picture(tenant, role, lettering("#1b1a17"))
    component = await create_component(tenant, "Payments")
    await create_incident(tenant, IncidentDraft(title="Card payments fail", components={component.id: None}))


async def prove_own_host(tenant: TenantContext) -> None:
    domain = await add_domain(tenant, OWN_HOST)

    async def says_so(_name: str, kind: str) -> list[str]:
        return [domain.token] if kind == "TXT" else []

    await check_domain(tenant, OWN_HOST, says_so)


@pytest.fixture
def shop_at_own_host(shop: str) -> str:
    """The same page under a host name of the tenant's own, which Chromium is told to find here."""
    return f"http://{OWN_HOST}:{urlsplit(shop).port}"


@pytest.fixture(scope="module")  # while Playwright is open, no async test of another module could run
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a sandbox: it shows our own pages alone."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", RESOLVE]
        )
        yield browser
        browser.close()


@contextmanager
def another_site(html: str) -> Iterator[str]:
    """A site of another origin that shows this page. A real one: browsers keep made-up ones from loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 204)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode() if self.path == "/" else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with the npm packages that these tests use."""
    node = install.node()
    assert node is not None
    install.install_npm_clients(node, HERE)
    return HERE / "node_modules"
