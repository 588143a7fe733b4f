"""The demo page in a real browser: search, pick, reorder, compare, share, and what goes wrong."""

import pytest

from models.bundle.bundle import read_items

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
expect = playwright.expect


def history(page) -> list[str]:
    return page.locator("#history .title").all_inner_texts()


def answer(page, column: str = ".champion") -> list[str]:
    """Titles, without the marks of what changed."""
    return (
        page.locator(column).locator("li .title").evaluate_all("all => all.map(one => one.firstChild.data)")
    )


def test_a_newcomer_sees_an_example_with_its_answer(open_page) -> None:
    page = open_page()
    assert len(history(page)) == 3
    assert len(set(answer(page))) == 8 and not set(answer(page)) & set(history(page))
    first = history(page)
    page.get_by_role("button", name="Another example").click()
    expect(page.locator("#history .title").first).not_to_have_text(first[0])


def test_a_game_is_found_with_a_few_letters_and_picked_by_keys(open_page, games, titles) -> None:
    page = open_page(games[0])
    field = page.get_by_role("combobox", name="Add a game")
    field.press_sequentially(titles[games[5]][:5].lower())
    options = page.get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    field.press("ArrowDown")
    chosen = options.nth(1)
    expect(chosen).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    wanted = chosen.locator("span").first.inner_text()
    field.press("Enter")
    expect(page.locator("#history .title")).to_have_text([titles[games[0]], wanted])
    expect(page.locator(".changes").first).not_to_be_empty()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-expanded", "false")
    assert field.input_value() == ""


def test_a_search_without_an_answer_says_so_and_escape_leaves_it(open_page, games) -> None:
    page = open_page(games[0])
    field = page.get_by_role("combobox")
    field.press_sequentially("zzqqxxy")
    expect(page.locator("#search-note")).to_have_text("No game of that name is in this catalogue.")
    field.press("Escape")
    assert field.input_value() == ""


def test_the_order_matters_and_what_changed_is_marked(open_page, games, titles) -> None:
    page = open_page(*games[:3])
    before, popular = answer(page), answer(page, ".baseline >> nth=1")
    page.get_by_role("button", name=f"Move {titles[games[2]]} up").press("Enter")
    expect(page.locator(".changes").first).not_to_be_empty()
    assert history(page) == [titles[games[i]] for i in (0, 2, 1)]
    after = answer(page)
    assert after != before and answer(page, ".baseline >> nth=1") == popular
    expect(page.locator(".baseline .changes").nth(1)).to_have_text("no change")
    new = page.locator(".champion li", has=page.locator(".mark.new")).locator(".title")
    assert {text.removesuffix(" new") for text in new.all_inner_texts()} == set(after) - set(before)
    announced = page.locator("#announcer")
    expect(announced).to_contain_text(f"{titles[games[2]]} is now number 2 of 3.")
    expect(announced).to_contain_text(f"Play next: {after[0]}")


def test_alt_with_the_arrow_keys_moves_a_game_and_keeps_the_focus(open_page, games, titles) -> None:
    page = open_page(*games[:3])
    page.get_by_role("button", name=f"Remove {titles[games[0]]}").focus()
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")  # it is the last already
    assert history(page) == [titles[games[i]] for i in (1, 2, 0)]
    expect(page.get_by_role("button", name=f"Remove {titles[games[0]]}")).to_be_focused()
    page.keyboard.press("Enter")
    assert history(page) == [titles[games[i]] for i in (1, 2)]
    expect(page.get_by_role("button", name=f"Remove {titles[games[2]]}")).to_be_focused()


def test_a_game_is_dragged_to_another_place(open_page, games, titles) -> None:
    page = open_page(*games[:3])
    rows = page.locator("#history li")
    start, end = rows.nth(2).bounding_box(), rows.nth(0).bounding_box()
    page.mouse.move(start["x"] + 60, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, end["y"] + 4, steps=5)
    page.mouse.up()
    assert history(page) == [titles[games[i]] for i in (2, 0, 1)]
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + start["height"], steps=5)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert history(page) == [titles[games[i]] for i in (2, 0, 1)]


def test_the_models_stand_side_by_side_in_aligned_rows(open_page, games) -> None:
    page = open_page(*games[:2])
    expect(page.locator("#columns h2, #columns h3")).to_have_text(["Play next", "Markov chain", "Popularity"])
    for n in (2, 5, 8):
        tops = page.locator(f"#columns li:nth-child({n})").evaluate_all(
            "rows => rows.map(row => Math.round(row.getBoundingClientRect().top))"
        )
        assert len(tops) == 3 and len(set(tops)) == 1


def test_the_link_holds_the_history_and_back_takes_a_change_back(open_page, games, titles) -> None:
    page = open_page(*games[:2], permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Remove {titles[games[1]]}").click()
    expect(page).to_have_url(page.url.partition("#")[0] + "#" + games[0])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    told = answer(page)
    page.go_back()
    expect(page.locator("#history .title")).to_have_text([titles[games[0]], titles[games[1]]])
    assert answer(open_page(games[0])) == told


def test_back_leads_to_the_first_example_and_to_an_emptied_list(open_page) -> None:
    page = open_page()
    first, titles = history(page), page.locator("#history .title")
    page.get_by_role("button", name="Another example").click()
    expect(titles.first).not_to_have_text(first[0])
    page.go_back()
    expect(titles).to_have_text(first)
    page.get_by_role("button", name="Start over").click()
    expect(titles).to_have_count(0)
    page.get_by_role("button", name="Another example").click()
    expect(titles).to_have_count(3)
    page.go_back()
    expect(titles).to_have_count(0)  # the words below may still stand there from before
    expect(page.get_by_text("what most people play")).to_be_visible()
    page.reload()
    expect(page.get_by_text("what most people play")).to_be_visible()
    page.go_back()
    expect(titles).to_have_text(first)


@pytest.mark.parametrize(
    ("late", "meanwhile"),
    [
        ("example", "a game is picked"),
        ("failure", "a link is followed"),
        pytest.param("example", "a link is followed", marks=pytest.mark.slow),
        pytest.param("failure", "a game is picked", marks=pytest.mark.slow),
    ],
)
def test_what_comes_late_replaces_nothing(open_page, endpoint, games, titles, meanwhile, late) -> None:
    page, held = open_page(path="docs"), []

    def hold(route) -> None:
        held.append(route)

    page.route("**/demo/examples", hold)
    page.goto(endpoint.address)
    if meanwhile == "a game is picked":
        page.get_by_role("combobox").press_sequentially(titles[games[0]])
        page.get_by_role("option", name=titles[games[0]], exact=True).click()
    else:
        page.evaluate(f"location.hash = '{games[0]}'")
    expect(page.locator(".champion li")).to_have_count(8)
    answered = page.url
    (route,) = held
    if late == "example":
        route.fulfill(json={"examples": [[{"item_id": games[1], "title": titles[games[1]]}]]})
    else:
        route.abort()
    page.wait_for_timeout(300)
    assert history(page) == [titles[games[0]]] and page.url == answered
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_link_with_unknown_games_or_nonsense_still_opens(open_page, games, titles) -> None:
    page = open_page(games[0], "no-such-game")
    assert history(page) == [titles[games[0]]]
    expect(page.locator("#link-note")).to_have_text(
        "Left out, as this catalogue does not have it: no-such-game."
    )
    assert len(history(open_page("%E0%A4%A"))) == 3  # no valid address: an example


def test_an_empty_list_is_answered_with_what_most_people_play(open_page, games) -> None:
    page = open_page(games[0])
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_text("what most people play")).to_be_visible()
    assert history(page) == []
    expect(page.locator("#columns section")).to_have_count(1)


def test_an_endpoint_that_does_not_answer_is_said_and_can_be_tried_again(
    open_page, endpoint, games, titles
) -> None:
    page = open_page(*games[:2])
    told = answer(page)
    endpoint.stop()
    try:
        page.get_by_role("button", name=f"Remove {titles[games[1]]}").click()
        expect(page.get_by_role("alert")).to_contain_text("The endpoint does not answer.")
        assert history(page) == [titles[games[0]]] and answer(page) == told  # nothing is lost
        page.get_by_role("combobox").press_sequentially("abc")
        expect(page.locator("#search-note")).to_have_text("The endpoint does not answer.")
    finally:
        endpoint.start()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator(".changes").first).not_to_be_empty()


def test_a_first_answer_that_does_not_come_is_said_too(open_page, endpoint) -> None:
    page = open_page()
    page.route("**/compare", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The endpoint does not answer.")
    page.unroute("**/compare")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".champion li")).to_have_count(8)


@pytest.mark.parametrize("body", ['{"history": [{"item_', ""])
def test_an_answer_that_breaks_off_is_said_and_can_be_asked_for_again(open_page, games, titles, body) -> None:
    page = open_page(*games[:2])
    page.route("**/compare", lambda route: route.fulfill(status=200, body=body))
    page.get_by_role("button", name=f"Remove {titles[games[1]]}").click()
    expect(page.get_by_role("alert")).to_contain_text("The answer of the endpoint cannot be read.")
    assert history(page) == [titles[games[0]]]
    page.unroute("**/compare")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator(".changes").first).not_to_be_empty()


def test_an_endpoint_with_api_keys_is_given_one(browser, locked_endpoint) -> None:
    page = browser.new_page()
    page.goto(locked_endpoint.address)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This endpoint answers with an API key only.")
    alert.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(alert.get_by_label("API key")).to_have_value("")  # asked for again
    alert.get_by_label("API key").fill("open-sesame")
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator(".champion li")).to_have_count(8)
    expect(alert).to_be_empty()
    page.close()


@pytest.mark.parametrize("width", [360, 820])
def test_a_narrow_screen_shows_everything_without_scrolling_sideways(
    open_page, games, odd_games, width
) -> None:
    page = open_page(odd_games["long"], *games[:2], viewport={"width": width, "height": 740}, has_touch=True)
    page.get_by_text("Only some games").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = page.locator("main *:visible:not(.unseen)").evaluate_all(
        f"all => all.filter(one => one.getBoundingClientRect().right > {width}).map(one => one.outerHTML)"
    )
    assert outside == []
    sizes = page.locator("button:visible").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    )
    assert min(sizes) >= 24  # pixels, wide and high enough for a finger


def passing(pointer, field: str, wanted: str) -> set[str]:
    """Titles of the games that have this value."""
    items = read_items(pointer.parent / "bundle")
    values = items.attributes[field].values
    return {title for title, value in zip(items.titles, values, strict=True) if wanted in (value or [])}


def test_genres_and_other_fields_can_be_chosen_by_keys(open_page, pointer, games) -> None:
    page = open_page(*games[:2])
    page.get_by_text("Only some games").focus()
    page.keyboard.press("Enter")
    genre = page.get_by_role("combobox", name="Genres")
    wanted = genre.locator("option").nth(1).inner_text()
    everything = answer(page)
    genre.select_option(wanted)
    right = passing(pointer, "genres", wanted)
    page.wait_for_function(
        "right => [...document.querySelectorAll('.champion li .title')]"
        ".every(one => right.includes(one.firstChild.data))",
        arg=sorted(right),
    )
    for column in (".champion", ".baseline >> nth=0", ".baseline >> nth=1"):
        shown = answer(page, column)
        assert shown and set(shown) <= right
    expect(page.locator("#filters-count")).to_have_text("(1)")
    expect(page.locator(".changes").first).to_be_empty()  # against other games: it would tell nothing
    page.get_by_role("button", name="Any game again").press("Enter")
    expect(page.locator("#filters summary")).to_be_focused()
    page.wait_for_function(
        "all => all.join() === [...document.querySelectorAll('.champion li .title')]"
        ".map(one => one.firstChild.data).join()",
        arg=everything,
    )


def test_filters_that_nothing_passes_say_so_in_every_column(open_page, games) -> None:
    page = open_page(*games[:2])
    page.get_by_text("Only some games").click()
    price = page.get_by_role("spinbutton", name="Price, max")
    price.fill("-1")
    price.press("Tab")
    nothing = page.locator("#columns li.nothing")
    expect(nothing).to_have_count(3)
    expect(nothing.first).to_have_text("No game that you have not played passes these filters.")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#announcer")).to_contain_text("No game that you have not played")


def test_a_catalogue_without_fields_shows_no_filters_and_no_link_to_reports(open_page, games) -> None:
    page = open_page(path="docs")
    page.route("**/demo/choices", lambda route: route.fulfill(json={"fields": {}, "reports": False}))
    page.goto(f"{page.url.removesuffix('docs#')}#{games[0]}")
    expect(page.locator(".champion li")).to_have_count(8)
    page.wait_for_timeout(200)
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.get_by_role("link", name="Nights and reports")).to_be_hidden()
    below = page.locator(".history > *:visible").last
    assert below.get_attribute("class") == "actions"


def test_a_missing_title_reason_or_column_leaves_no_gap(open_page, games) -> None:
    page = open_page(*games[:2])

    def less(route) -> None:
        found = route.fetch().json()
        for column in found["columns"]:
            column["items"][1] |= {"because": None, "title": ""}
        del found["columns"][1]
        route.fulfill(json=found)

    page.route("**/compare", less)
    page.get_by_role("button", name="Move").nth(1).click()
    expect(page.locator("#columns section")).to_have_count(2)
    rows = page.locator(".champion li")
    for row in rows.all():
        expect(row.locator(".title")).not_to_be_empty()
        expect(row.locator(".because")).not_to_be_empty()
    expect(rows.nth(1).locator(".because")).to_have_text("because of no single game")
    page.unroute("**/compare")
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_text("what most people play")).to_be_visible()
    expect(page.locator(".because")).to_have_count(0)
    heights = rows.evaluate_all("rows => rows.slice(1).map(row => row.getBoundingClientRect().height)")
    assert max(heights) <= 48, "no line is kept free for reasons that nobody gives"


def test_titles_are_text_whatever_they_hold(open_page, games, titles, odd_games) -> None:
    markup = titles[odd_games["markup"]]
    assert markup.startswith("<img")
    page = open_page(games[0], odd_games["markup"])
    assert history(page)[1] == markup
    page.get_by_role("combobox").press_sequentially("onerror")
    expect(page.get_by_role("option").first).to_contain_text(markup)
    assert page.locator("img").count() == 0 and page.title() != "broken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, games, titles, scheme) -> None:
    page = open_page(*games[:3], color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(252, 252, 250)", "dark": "rgb(22, 22, 21)"}[scheme]
    page.get_by_role("button", name=f"Move {titles[games[2]]} up").click()
    expect(page.locator(".changes").first).not_to_be_empty()
    page.get_by_text("Only some games").click()
    page.get_by_role("combobox", name="Add a game").press_sequentially(titles[games[5]][:3])
    expect(page.get_by_role("option").first).to_be_visible()
    page.wait_for_timeout(400)  # fading rows are paler than they will be
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_who_wants_no_motion_sees_none(open_page, games, titles) -> None:
    moving = "document.getAnimations().length"
    for motion, wanted in (("no-preference", True), ("reduce", False)):
        page = open_page(*games[:3], reduced_motion=motion)
        page.get_by_role("button", name=f"Move {titles[games[2]]} up").click()
        assert bool(page.evaluate(moving)) is wanted


@pytest.mark.parametrize("path", ["", "docs"])
def test_nothing_is_asked_of_another_host(browser, endpoint, path) -> None:
    context = browser.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{endpoint.address}/{path}")
    page.locator("section li, section h2").nth(7).wait_for()
    context.close()
    assert len(asked) > 4 and all(url.startswith(f"{endpoint.address}/") for url in asked)


def test_the_docs_list_every_request_and_send_one(open_page) -> None:
    page = open_page(path="docs")
    listed = page.locator("#contents a")
    expect(listed).to_contain_text(["POST /recommend", "GET /model", "POST /compare"])
    assert page.locator("#requests section").count() == listed.count()
    section = page.get_by_role("region", name="POST /recommend", exact=True)
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("status")).to_contain_text('"rank": 1')
    section.get_by_role("textbox").fill("{")
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("status")).to_contain_text("400")
    for summary in page.locator("summary").all():
        summary.click()
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
