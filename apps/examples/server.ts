/** POST a picture, get JSON: PORT=8000 node server.ts, then curl --data-binary @cat.png localhost:8000 */
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { load } from "residual";

const classifier = await load(); // one for all requests
const server = createServer((request, response) => {
  const tell = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
  buffer(request)
    .then((picture) => classifier.classify(picture))
    .then((predictions) => tell(200, { predictions }))
    .catch(({ name, message }: Error) => tell(400, { code: name, message }));
});
server.listen(Number(process.env.PORT ?? 8000), () => console.log(server.address()));
process.once("SIGTERM", () => server.close(() => void classifier.dispose())); // after the requests under way
