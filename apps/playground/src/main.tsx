import { render } from "preact";
import { App } from "./app/app.tsx";
import { keepOffline } from "./app/offline.ts";
import { loadNetwork, request } from "./app/state.ts";
import "./app/ready.ts";
import { openOnSample } from "./classify/samples.tsx";
import "./design/index.css";
import "./app/app.css";
import "./classify/classify.css";
import "./network/network.css";

void loadNetwork(request.value);
void openOnSample();
render(<App />, document.getElementById("app")!);
keepOffline().catch(() => {}); // where service workers are forbidden, the page needs a network
