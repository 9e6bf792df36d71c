"""The shop's pages: plain HTML that a phone shows well, without JavaScript."""

from collections.abc import Mapping
from html import escape

HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 0 auto; padding: 1rem }
ul { list-style: none; padding: 0 }
li, .row { display: flex; gap: .5rem; align-items: center; margin: .5rem 0 }
li span { flex: 1 }
input, button { font: inherit; min-height: 2.8rem; padding: 0 1rem; border: 1px solid #777; border-radius: .4rem }
input { flex: 1; min-width: 0 }
</style>
</head>
<body>
"""
END = "</body>\n</html>\n"


def shop(visitor: str | None, prices: Mapping[str, int], quantities: Mapping[str, int], sent: int) -> str:
    """The only page: who you are, what there is (prices in cents), what is in your cart, and what was sent."""
    total = sum(prices[article] * quantity for article, quantity in quantities.items())
    in_cart = [_line(f"{name}: {quantity}", "remove", name, "Remove one") for name, quantity in quantities.items()]
    for_sale = [_line(f"{article}, {_money(cents)}", "add", article, "Add") for article, cents in prices.items()]
    return "".join(
        [
            HEAD,
            _greeting(visitor),
            f"<h2>Cart</h2>\n{_list(in_cart) if in_cart else '<p>Nothing yet.</p>'}\n",
            f'<form method="post" action="/checkout" class="row"><button>Pay {_money(total)}</button></form>\n'
            if in_cart
            else "",
            f"<p>Sent to you so far: {sent}</p>\n",
            f"<h2>For sale</h2>\n{_list(for_sale)}\n",
            END,
        ]
    )


def packing() -> str:
    """The beginning of the page that is sent bit by bit."""
    return f"{HEAD}<h1>Packing</h1>\n"


def packed(article: str, quantity: int) -> str:
    """One line of that page."""
    return f"<p>{escape(article)}: {quantity} packed</p>\n"


def packed_all() -> str:
    """Its end."""
    return f'<p>Your order is on its way. <a href="/">Back to the shop</a></p>\n{END}'


def _greeting(visitor: str | None) -> str:
    if visitor is None:
        return (
            '<h1>Welcome</h1>\n<form method="post" action="/login" class="row">'
            '<input name="name" aria-label="Your name" placeholder="Your name" maxlength="40" required>'
            "<button>Log in</button></form>\n"
        )
    return (
        f"<h1>Welcome, {escape(visitor)}</h1>\n"
        '<form method="post" action="/logout" class="row"><button>Log out</button></form>\n'
    )


def _line(text: str, action: str, article: str, button: str) -> str:
    return (
        f'<li><span>{escape(text)}</span><form method="post" action="/{action}">'
        f'<button name="article" value="{escape(article)}">{button}</button></form></li>'
    )


def _list(lines: list[str]) -> str:
    return "<ul>\n" + "\n".join(lines) + "\n</ul>"


def _money(cents: int) -> str:
    return f"€ {cents / 100:.2f}"
