"""A strict HTML parser: texts, links and forms of a page, and every fault in its markup."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
REFERENCES = ("aria-labelledby", "aria-describedby", "aria-controls", "for")
URLS = ("href", "src", "action", "formaction", "hx-get", "hx-post", "hx-put", "hx-delete")


@dataclass
class Element:
    """An element and its descendants."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text content, with single spaces."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def all(self, tag: str | None = None, **attributes: str) -> "list[Element]":
        """Return the descendants with this tag and these attributes, in document order."""
        return [
            element
            for element in self._descendants([])
            if tag in (None, element.tag) and attributes.items() <= element.attributes.items()
        ]

    def _descendants(self, found: "list[Element]") -> "list[Element]":
        for child in self.children:
            if isinstance(child, Element):
                found.append(child)
                child._descendants(found)
        return found

    def one(self, tag: str | None = None, **attributes: str) -> "Element":
        """Return the only such descendant."""
        (found,) = self.all(tag, **attributes)
        return found


class Reader(HTMLParser):
    """Builds the tree, and rejects markup that browsers would repair."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#root", {})
        self.open = [self.root]
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.faults += [f"<{tag}> has {name} twice" for name, times in Counter(names).items() if times > 1]
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].tag == tag:
            self.open.pop()
        else:
            self.faults.append(f"</{tag}> while <{self.open[-1].tag}> is open")

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(text: str) -> Element:
    """Parse a page or fragment; fail if its markup is faulty."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert [] == reader.faults + [f"<{element.tag}> is never closed" for element in reader.open[1:]]
    faults = [*_inline(reader.root), *_names(reader.root), *_ids(reader.root)]
    assert [] == faults
    return reader.root


def read_page(text: str) -> Element:
    """Parse a page; fail if it lacks what screen readers and keyboard users need."""
    root = read(text)
    assert text.startswith("<!doctype html>\n")
    assert "en-GB" == root.one("html").attributes["lang"]
    assert root.one("head").one("title").text.endswith(" · bodhi")  # pictures have titles too
    assert "width=device-width, initial-scale=1" == root.one("meta", name="viewport").attributes["content"]
    assert root.one("h1").text
    assert "content" == root.one("main").attributes["id"]
    skip = root.one("body").all("a")[0]
    assert "#content" == skip.attributes["href"]
    levels = [int(element.tag[1]) for element in root.one("body").all() if element.tag in {"h1", "h2", "h3", "h4"}]
    assert all(below - above <= 1 for above, below in zip([0, *levels], levels, strict=False)), levels
    return root


def _inline(root: Element) -> list[str]:
    """Return inline scripts and styles, which the Content-Security-Policy forbids."""
    faults = []
    for element in root.all():
        if element.tag == "style" or (
            element.tag == "script" and (element.children or "src" not in element.attributes)
        ):
            faults.append(f"inline <{element.tag}>")
        for name, value in element.attributes.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                faults.append(f"<{element.tag} {name}>")
            if name in URLS and not value.startswith(("/", "#")):
                faults.append(f"<{element.tag} {name}={value}> leads elsewhere")
    return faults


def _names(root: Element) -> list[str]:
    """Return controls and pictures without a unique accessible name."""
    faults = [f"<img {element.attributes}>" for element in root.all("img") if "alt" not in element.attributes]
    labelled = {id(control) for label in root.all("label") if label.text for control in label.all()}
    for element in root.all():
        is_field = element.tag in {"select", "textarea"} or (
            element.tag == "input" and element.attributes.get("type") != "hidden"
        )
        if is_field and id(element) not in labelled and not element.attributes.get("aria-label"):
            faults.append(f"<{element.tag}> has no label")
        if element.tag in {"a", "button"} and not (
            element.text or element.attributes.get("aria-label") or _pictures(element)
        ):
            faults.append(f"<{element.tag}> has no name")
        if element.tag in {"nav", "section"} and not {"aria-label", "aria-labelledby"} & set(element.attributes):
            faults.append(f"<{element.tag}> has no name")
    return faults


def _pictures(element: Element) -> str:
    """Return what its pictures show, in words."""
    return "".join(picture.attributes.get("alt", "") for picture in element.all("img"))


def _ids(root: Element) -> list[str]:
    ids = Counter(element.attributes["id"] for element in root.all() if "id" in element.attributes)
    faults = [f"id {name} stands {times} times" for name, times in ids.items() if times > 1]
    for element in root.all():
        for name in REFERENCES:
            faults += [
                f"<{element.tag} {name}={one}> leads nowhere"
                for one in element.attributes.get(name, "").split()
                if one not in ids
            ]
        target = element.attributes.get("href", "")
        if target.startswith("#") and target[1:] not in ids:
            faults.append(f"{target} leads nowhere")
    return faults
