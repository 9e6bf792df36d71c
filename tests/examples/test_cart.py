import asyncio
import itertools
import re

import aiohttp
import pytest

ARTICLES = {"Tea", "Cake", "Honey"}
COOKIE = "cart_session_id"


class Shopper:
    """A browser whose requests are distributed over the shop's processes."""

    def __init__(self, http, examples):
        self._http = http
        self.examples = examples
        self._urls = itertools.cycle(example.url for example in examples)

    def send(self, method, path, **options):
        """Send a request to the next process, without following redirects."""
        return self._http.request(method, next(self._urls) + path, allow_redirects=False, **options)

    async def page(self):
        async with self.send("GET", "/") as response:
            assert 200 == response.status
            return await response.text()

    async def post(self, path, **form):
        """Submit a form; return the page from the next process."""
        async with self.send("POST", path, data=form) as response:
            assert 303 == response.status, await response.text()
            assert "/" == response.headers["Location"]
        return await self.page()

    def socket(self):
        return self._http.ws_connect(next(self._urls) + "/socket")

    @property
    def cookies(self):
        return [cookie.value for cookie in self._http.cookie_jar if cookie.key == COOKIE]


@pytest.fixture
async def open_shop(run, dialect, database_url, key):
    """Starts the shop: one process on SQLite, two on PostgreSQL."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:

        async def start(packing_seconds=0):
            settings = {"BODHI_SESSION_DB_URL": database_url, "CART_PACKING_SECONDS": str(packing_seconds)}
            if dialect == "sqlite":
                return Shopper(http, [await run("cart/app.py", **settings)])
            settings |= {"BODHI_DEPLOYMENT": "cluster", "BODHI_ENCRYPTION_KEY": key}
            return Shopper(http, await asyncio.gather(*(run("cart/app.py", **settings) for _ in range(2))))

        yield start


def cart_on(page):
    """Return the cart shown on a page."""
    return {article: int(quantity) for article, quantity in re.findall(r"<span>(\w+): (\d+)</span>", page)}


async def test_a_cart_is_filled_and_emptied(open_shop):
    """Nested values change, keys come and go, whichever process is asked."""
    shopper = await open_shop()

    assert {} == cart_on(await shopper.page())
    assert {"Tea": 1} == cart_on(await shopper.post("/add", article="Tea"))
    assert {"Tea": 2} == cart_on(await shopper.post("/add", article="Tea"))
    assert {"Tea": 2, "Cake": 1} == cart_on(await shopper.post("/add", article="Cake"))
    assert {"Tea": 1, "Cake": 1} == cart_on(await shopper.post("/remove", article="Tea"))
    assert {"Cake": 1} == cart_on(await shopper.post("/remove", article="Tea"))


async def test_browsing_sets_no_cookie(open_shop):
    """The page is for phones, needs no script, and gives a visitor who stored nothing no session."""
    shopper = await open_shop()

    page = await shopper.page()
    assert 'name="viewport" content="width=device-width' in page
    assert "<script" not in page
    await shopper.post("/remove", article="Tea")

    assert [] == shopper.cookies


async def test_login_keeps_the_cart_and_moves_it_to_a_new_id(open_shop):
    """The id from before the login is worth nothing afterwards."""
    shopper = await open_shop()
    await shopper.post("/add", article="Honey")
    before = shopper.cookies

    page = await shopper.post("/login", name="<b>Ann")

    assert "Welcome, &lt;b&gt;Ann" in page
    assert {"Honey": 1} == cart_on(page)
    assert before != shopper.cookies
    async with aiohttp.request("GET", shopper.examples[0].url, cookies={COOKIE: before[0]}) as response:
        assert {} == cart_on(await response.text())


async def test_logout_ends_the_session_in_every_process(open_shop):
    """A copy of the cookie does not work any more either."""
    shopper = await open_shop()
    await shopper.post("/login", name="Ann")
    copy = shopper.cookies[0]

    page = await shopper.post("/logout")

    assert "Ann" not in page
    assert [] == shopper.cookies
    for example in shopper.examples:
        async with aiohttp.request("GET", example.url, cookies={COOKIE: copy}) as response:
            assert "Ann" not in await response.text()


async def test_two_tabs_that_add_at_once_both_win(open_shop):
    """Each article has a top-level key of its own."""
    shopper = await open_shop()
    await shopper.post("/login", name="Ann")

    async def add(article):
        async with shopper.send("POST", "/add", data={"article": article}) as response:
            assert 303 == response.status

    await asyncio.gather(*(add(article) for article in ARTICLES))

    assert dict.fromkeys(ARTICLES, 1) == cart_on(await shopper.page())


async def test_changes_during_a_stream_are_saved_before_it_ends(open_shop):
    """The next process sees the first article sent while the page of the order is still being written."""
    shopper = await open_shop(packing_seconds=60)
    await shopper.post("/add", article="Tea")
    await shopper.post("/add", article="Cake")

    async with shopper.send("POST", "/checkout") as order:
        await order.content.readuntil(b"Tea: 1 packed")
        page = await shopper.page()

    assert {"Cake": 1} == cart_on(page)
    assert "Sent to you so far: 1" in page


async def test_order_streams_to_its_end_and_empties_the_cart(open_shop):
    """The whole stream, and an empty cart after it."""
    shopper = await open_shop()
    await shopper.post("/add", article="Tea")
    await shopper.post("/add", article="Cake")

    async with shopper.send("POST", "/checkout") as order:
        text = await order.text()

    assert text.index("Tea: 1 packed") < text.index("Cake: 1 packed") < text.index("on its way")
    page = await shopper.page()
    assert {} == cart_on(page)
    assert "Sent to you so far: 2" in page


async def test_a_websocket_reads_the_session_until_the_shop_closes(open_shop):
    """It knows who is there, and what is in the cart; SIGTERM says goodbye and ends the process well."""
    shopper = await open_shop()
    await shopper.post("/login", name="Ann")
    await shopper.post("/add", article="Tea")

    async with shopper.socket() as socket:
        assert {"user": "Ann", "cart": {"Tea": 1}} == await socket.receive_json(timeout=300)
        await socket.send_str("Cake")
        assert {"article": "Cake", "quantity": 0} == await socket.receive_json(timeout=300)
        for example in shopper.examples:
            example.process.terminate()
        assert aiohttp.WSMsgType.CLOSE == (await socket.receive(timeout=300)).type
        await socket.close()

    for example in shopper.examples:
        assert 0 == await asyncio.to_thread(example.process.wait, 300), example.log.read_text()


async def test_unknown_items_are_refused(open_shop):
    """A fault of the browser's, told as one."""
    shopper = await open_shop()

    for path, form in [("/add", {"article": "Gold"}), ("/add", {}), ("/remove", {}), ("/login", {"name": " "})]:
        async with shopper.send("POST", path, data=form) as response:
            assert 400 == response.status


async def test_the_cart_leaves_the_database_of_the_server_alone(run, tmp_path):
    """Without settings its sessions are in a file where it was started."""
    home = tmp_path / "home"
    example = await run("cart/app.py", BODHI_HOME=str(home))

    async with aiohttp.request("POST", f"{example.url}/login", data={"name": "Ann"}, allow_redirects=False) as response:
        assert 303 == response.status
        assert [COOKIE, f"{COOKIE}_exists"] == list(response.cookies)
    assert (tmp_path / "cart.sqlite").exists()
    assert ["encryption.key"] == [file.name for file in home.iterdir()]


def test_unreachable_database_is_a_one_line_error(run_to_the_end):
    """No traceback, and no password."""
    ended = run_to_the_end("cart/app.py", BODHI_SESSION_DB_URL="postgres://ann:secret@127.0.0.1:1/shop")

    assert ended.returncode
    assert "cannot open postgres://ann:***@127.0.0.1:1/shop" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
