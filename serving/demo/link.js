// The link is what remembers a history: #10,80,240 after the page's address, oldest first.

export function readLink() {
  try {
    return location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent);
  } catch {
    return []; // a % that stands for nothing
  }
}

export function linkTo(ids) {
  const link = new URL(location.href);
  link.hash = ids.map(encodeURIComponent).join(",");
  return link.href;
}

/** Keep a history in the address, so that Back takes the last change back. */
export function keepInLink(ids) {
  if (linkTo(ids) !== location.href) history.pushState(null, "", linkTo(ids));
}
