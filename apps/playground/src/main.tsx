import { render } from "preact";
import { App } from "./app/app.tsx";
import { loadNetwork, request } from "./app/state.ts";
import "./design/tokens.css";
import "./design/base.css";

render(<App />, document.getElementById("app")!);
void loadNetwork(request.value);
