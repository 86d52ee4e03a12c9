import { seeded } from "../src/testing/tiny-pictures.ts";

/** A cluster that works on one bulk job. Times in seconds. */
export interface Cluster {
  readonly images: number;
  readonly shardSize: number;
  /** Worker processes: one core each. */
  readonly workers: number;
  /** Measured seconds of an image, one for each measured shard. A simulated shard draws one of them. */
  readonly service: readonly number[];
  /** Between a shard and the worker's next. */
  readonly gap: number;
  /** From the start of a worker to its first shard. */
  readonly startup: number;
  /** Mean time between two failures of a worker; Infinity for none. */
  readonly betweenFailures: number;
  /** Until a failed worker is replaced. */
  readonly replacement: number;
  /** Lock of a shard, and interval of the checks for lost workers. */
  readonly lock: number;
  readonly check: number;
  /** Share of the workers that are slow, and how many times as long they take. */
  readonly stragglers: { readonly share: number; readonly factor: number };
  /** Seconds of Redis for a shard. Redis serves one command at a time. */
  readonly redis: number;
  /** Bytes of an image, and bytes a second that all workers share. */
  readonly imageBytes: number;
  readonly bandwidth: number;
  readonly seed: number;
}

export interface Outcome {
  /** Seconds from the start of the workers to the last result. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Seconds in finished shards on a cluster without stragglers, per second of a worker. */
  readonly efficiency: number;
  readonly failures: number;
  /** Seconds from the moment that the queue is empty to the last result. */
  readonly tail: number;
  /** Share of the time that Redis is busy. */
  readonly redisBusy: number;
}

interface Event {
  readonly at: number;
  readonly happen: (at: number) => void;
}

/**
 * Discrete events: a worker starts, takes a shard, ends it or fails. A failed worker's shard returns to the queue when
 * its lock has expired and two checks have seen it. A shard takes its compute time, or the time that its bytes take
 * through the worker's part of the bandwidth, whichever is longer.
 */
export function simulate(cluster: Cluster): Outcome {
  const { workers, service, shardSize, seed } = cluster;
  const draw = seeded(seed);
  const random = () => (draw() + 0.5) / 2 ** 32;
  const shards = Math.ceil(cluster.images / shardSize);
  const events = new Heap();
  let [waiting, done, failures, emptyAt, endAt] = [shards, 0, 0, 0, 0];
  let [redisFreeAt, redisBusy, useful] = [0, 0, 0];
  const idle: (() => void)[] = [];
  const transfer = (shardSize * cluster.imageBytes * workers) / cluster.bandwidth;

  /** When Redis has served the commands of a shard that come at this time. */
  const throughRedis = (at: number) => {
    redisFreeAt = Math.max(at, redisFreeAt) + cluster.redis;
    redisBusy += cluster.redis;
    return redisFreeAt;
  };
  const startWorker = (at: number, slowness: number) => {
    const failsAt = at - Math.log(random()) * cluster.betweenFailures;
    const ready = at + cluster.startup * (0.5 + random());
    events.add({ at: ready, happen: (now) => take(now, { slowness, failsAt }) });
  };
  const take = (at: number, worker: { readonly slowness: number; readonly failsAt: number }) => {
    if (done === shards) return;
    if (waiting === 0) {
      idle.push(() => take(events.now, worker));
      return;
    }
    if (--waiting === 0) emptyAt = at;
    const compute = service[Math.floor(random() * service.length)]! * shardSize;
    const from = throughRedis(at);
    const end = from + Math.max(compute * worker.slowness, transfer);
    if (end < worker.failsAt) {
      events.add({
        at: end,
        happen: (now) => {
          done++;
          useful += compute;
          endAt = now;
          events.add({ at: now + cluster.gap, happen: (next) => take(next, worker) });
        },
      });
      return;
    }
    failures++;
    const fails = Math.max(worker.failsAt, from);
    const seen = fails + Math.max(cluster.lock, cluster.check) + cluster.check * random();
    events.add({ at: seen, happen: () => returned() });
    events.add({ at: fails + cluster.replacement, happen: (now) => startWorker(now, worker.slowness) });
  };
  const returned = () => {
    waiting++;
    idle.pop()?.();
  };

  for (let worker = 0; worker < workers; worker++) {
    const isSlow = random() < cluster.stragglers.share;
    startWorker(0, isSlow ? cluster.stragglers.factor : 1);
  }
  while (done < shards) events.next();
  return {
    seconds: endAt,
    imagesPerSecond: cluster.images / endAt,
    efficiency: useful / (workers * endAt),
    failures,
    tail: endAt - emptyAt,
    redisBusy: redisBusy / endAt,
  };
}

/** Events in the order of their times: a binary heap. */
class Heap {
  now = 0;
  readonly #events: Event[] = [];

  add(event: Event): void {
    const events = this.#events;
    let at = events.push(event) - 1;
    for (let up = (at - 1) >> 1; at > 0 && events[up]!.at > event.at; up = (at - 1) >> 1) {
      events[at] = events[up]!;
      at = up;
    }
    events[at] = event;
  }

  next(): void {
    const first = this.#events[0]!;
    const last = this.#events.pop()!;
    if (this.#events.length > 0) this.#sink(last);
    this.now = first.at;
    first.happen(first.at);
  }

  #sink(event: Event): void {
    const events = this.#events;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= events.length) break;
      if (down + 1 < events.length && events[down + 1]!.at < events[down]!.at) down++;
      if (events[down]!.at >= event.at) break;
      events[at] = events[down]!;
      at = down;
    }
    events[at] = event;
  }
}
