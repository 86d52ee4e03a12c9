export { HEADER_LENGTH } from "../inference/binary.ts";
export { answerError, mount } from "./mount.ts";
export { openApi } from "./openapi.ts";
export {
  bodyOf,
  type Contents,
  formOf,
  get,
  type Handler,
  json,
  parsed,
  post,
  type Route,
  type RouteDescription,
  workOf,
} from "./route.ts";
export { protocolRoutes } from "./routes.ts";
