// A player as a part of a page.

import { useEffect, useRef, useState } from "./vendor/preact.js";
import { html } from "./parts.js";

// A player in an element of the page; `told` is what it tells (player.js).
export function usePlayer(told = {}) {
  const at = useRef(null);
  const [player, tell] = useState(null);
  const [wrong, fail] = useState(null);
  const heard = useRef(told);
  heard.current = told;
  useEffect(() => {
    let made = null;
    let gone = false;
    // What draws in space is large and only needed here.
    import("./player.js").then(
      ({ Player }) => {
        if (gone) return;
        const names = Object.keys(told);
        made = new Player(at.current, Object.fromEntries(names.map((name) => [name, (...given) => heard.current[name](...given)])));
        if (made.scene) tell(made);
      },
      (error) => fail(error.message),
    );
    return () => {
      gone = true;
      made?.dispose();
    };
  }, []);
  const view = html`${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}<div ref=${at}></div>`;
  return [player, view];
}
