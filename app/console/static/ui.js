// The one place that knows the vendored libraries: everything else imports these names from here.
import { Component, Fragment, createContext, h, render } from "./vendor/preact.module.js";
import htm from "./vendor/htm.module.js";

export {
  useCallback,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "./vendor/hooks.module.js";
export { Component, Fragment, createContext, render };

// A tagged template that makes elements: html`<p class="note">${text}</p>`. Texts are never read as HTML.
export const html = htm.bind(h);
