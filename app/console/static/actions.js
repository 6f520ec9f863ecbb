// What a page does to something: one action at a time, whose refusal stays until the next one, whatever is loaded meanwhile.
import { ApiProblem } from "./api.js";
import { announce } from "./messages.js";
import { useState } from "./ui.js";

// Returns {refusal, said, act}. act(action, words) runs action() and says words(its result) when it is done; it returns
// whether it was.
export function useActions() {
  const [state, setState] = useState({ refusal: null, said: "" });

  async function act(action, words) {
    setState({ refusal: null, said: "" });
    try {
      const said = words(await action());
      setState({ refusal: null, said });
      announce(said);
      return true;
    } catch (refusal) {
      if (!(refusal instanceof ApiProblem)) throw refusal;
      setState({ refusal, said: "" });
      return false;
    }
  }

  return { ...state, act };
}
