import { render } from "preact";
import { App } from "./app/app.tsx";
import { loadNetwork, request } from "./app/state.ts";
import "./app/ready.ts";
import "./design/index.css";

render(<App />, document.getElementById("app")!);
void loadNetwork(request.value);
