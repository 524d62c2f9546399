// The address says what is looked at: a page, a commit, and what the page needs. Every link can be kept and shared.

import { useEffect, useState } from "./vendor/preact.js";

const listeners = new Set();

export function route() {
  const given = new URLSearchParams(location.search);
  return { page: "lake", ...Object.fromEntries(given) };
}

export function link(params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(key, value);
  }
  return `?${query}`;
}

export function go(params, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", link(params));
  for (const told of listeners) told(route());
}

export function useRoute() {
  const [now, tell] = useState(route());
  useEffect(() => {
    const told = () => tell(route());
    listeners.add(tell);
    addEventListener("popstate", told);
    return () => {
      listeners.delete(tell);
      removeEventListener("popstate", told);
    };
  }, []);
  return now;
}

// Clicks on links of the page change the address without loading it anew.
addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a");
  if (!anchor || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const href = anchor.getAttribute("href");
  if (!href?.startsWith("?") || anchor.target) return;
  event.preventDefault();
  go(Object.fromEntries(new URLSearchParams(href)));
});
