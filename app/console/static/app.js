// Starts the console: the session decides between the login page and the others, the address bar which of those.
import { Layout } from "./components/layout.js";
import { useSession } from "./hooks.js";
import { leave } from "./leaving.js";
import { Login } from "./pages/login.js";
import { NotFound } from "./pages/not_found.js";
import { here, match } from "./router.js";
import { homeOf, routes } from "./routes.js";
import { startStream } from "./stream.js";
import { html, render, useEffect, useState } from "./ui.js";

function useHere() {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const follow = (event) => {
      const wanted = location.hash;
      const going = leave(() => {
        if (location.hash === wanted) setPlace(here());
        else location.hash = wanted;
      });
      // The page that is still shown keeps its address.
      if (!going) history.replaceState(null, "", event.oldURL);
    };
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  return place;
}

function App() {
  const session = useSession();
  const place = useHere();
  if (!session) return html`<${Layout}><${Login} /><//>`;
  const path = place.path === "/" ? homeOf(session) : place.path;
  const found = match(routes.filter((one) => one.kind === session.kind), path);
  const Shown = found?.route.page ?? NotFound;
  // Another path is another page; another query is the same page with other filters.
  return html`
    <${Layout} session=${session} path=${path}>
      <${Shown} key=${path} params=${found?.params ?? {}} query=${place.query} />
    <//>
  `;
}

startStream();
render(html`<${App} />`, document.getElementById("app"));
