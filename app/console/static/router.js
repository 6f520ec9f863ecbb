// Addresses of pages: what follows the # in the address bar, such as #/calls/OUT-1?account_id=a.

// Returns {path, query} of the address bar; query is a URLSearchParams.
export function here() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/", query: new URLSearchParams(query) };
}

// Returns {route, params} of the first route whose pattern ("/calls/:sid") is this path's, null if there is none.
export function match(routes, path) {
  for (const route of routes) {
    const params = paramsOf(route.pattern, path);
    if (params) return { route, params };
  }
  return null;
}

function paramsOf(pattern, path) {
  const [wanted, given] = [pattern, path].map((one) => one.split("/"));
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [index, part] of wanted.entries()) {
    if (!part.startsWith(":")) {
      if (part !== given[index]) return null;
      continue;
    }
    try {
      params[part.slice(1)] = decodeURIComponent(given[index]);
    } catch {
      return null;
    }
    if (!given[index]) return null;
  }
  return params;
}

// Returns an href with its query; `path` comes from at`…`, empty values of the query are left out.
export function link(path, query = {}) {
  const told = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const written = new URLSearchParams(told).toString();
  return `#${path}${written ? `?${written}` : ""}`;
}

export function navigate(path, query) {
  location.hash = link(path, query);
}

// Goes to an href made by link(), in place of the present address rather than behind it.
export function replace(href) {
  location.replace(href);
}
