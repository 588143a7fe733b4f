// The link is what remembers a history: #293120,523300,383310 after the page's address, oldest first.

/** The ids of the history here, none of a list that was emptied; null where nothing is kept yet. */
export function readLink() {
  if (history.state) return history.state; // tells an emptied list from an address without games
  try {
    const ids = location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent);
    return ids.length ? ids : null;
  } catch {
    return null; // a % that stands for nothing
  }
}

export function linkTo(ids) {
  const link = new URL(location.href);
  link.hash = ids.map(encodeURIComponent).join(",");
  return link.href;
}

/** Keep a history in the address, so that Back takes the last change back; the first one in place of what was opened. */
export function keepInLink(ids, first = false) {
  const link = linkTo(ids);
  if (first || link === location.href) history.replaceState(ids, "", link);
  else history.pushState(ids, "", link);
}
