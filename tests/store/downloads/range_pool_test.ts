import { assertEquals } from "@std/assert";
import {
  type PooledConnection,
  type RangeJob,
  RangePool,
} from "../../../store/downloads/_range_pool.ts";
import { manualTime } from "../../_support/manual_time.ts";

/** A download with ranges of ten bytes that end when the test ends them. */
class Job implements RangeJob {
  unassigned: number;
  mayFetchMore = true;
  readonly ends: (() => void)[] = [];
  /** Whether connections were free, each time that the pool looked for late ranges. */
  readonly looks: boolean[] = [];

  constructor(unassigned: number) {
    this.unassigned = unassigned;
  }

  returnLateRanges(isLast: boolean): void {
    this.looks.push(isLast);
  }

  fetchNext(_connection?: PooledConnection): Promise<void> {
    this.unassigned -= 10;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ends.push(resolve);
    return promise;
  }
}

Deno.test("RangePool serves the download with the most bytes left first", () => {
  using pool = RangePool.join("a.example", 3);
  const [small, large] = [new Job(20), new Job(100)];
  using _held = pool.connect();

  using _small = pool.add(small);
  using _large = pool.add(large);

  assertEquals([small.ends.length, large.ends.length], [2, 0]);
});

Deno.test("RangePool assigns a free connection to the download with the most bytes left", async () => {
  using pool = RangePool.join("a.example", 1);
  const [small, large] = [new Job(20), new Job(100)];
  using _small = pool.add(small);
  using _large = pool.add(large);

  small.ends[0]?.();
  await Promise.resolve().then(() => {}).then(() => {});

  assertEquals([small.ends.length, large.ends.length], [1, 1]);
});

Deno.test("RangePool looks for the next range once at the end of a range", async () => {
  using pool = RangePool.join("a.example", 1);
  const job = new Job(10);
  using _job = pool.add(job);
  let looks = 0;
  Object.defineProperty(job, "unassigned", {
    get() {
      looks++;
      return 0;
    },
  });

  job.ends[0]?.();
  await Promise.resolve().then(() => {}).then(() => {});

  assertEquals(looks, 1);
});

Deno.test("RangePool starts a third of the ranges early at most", async () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const fetchNext = job.fetchNext;
  job.fetchNext = (connection?: PooledConnection) => {
    // Each range is so short that the next one could start at once.
    connection?.[Symbol.dispose]();
    return fetchNext.call(job);
  };
  using _job = pool.add(job);

  assertEquals(job.ends.length, 4);
  job.ends[0]?.();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(job.ends.length, 5);
});

Deno.test("RangePool passes over a download until it may use another connection", () => {
  using time = manualTime();
  using pool = RangePool.join("a.example", 3);
  const [small, large] = [new Job(20), new Job(100)];
  large.mayFetchMore = false;
  using _large = pool.add(large);
  using _small = pool.add(small);
  assertEquals([small.ends.length, large.ends.length], [2, 0]);

  large.mayFetchMore = true;
  time.pass(200);

  assertEquals([small.ends.length, large.ends.length], [2, 1]);
});

Deno.test("RangePool looks for late ranges, also while no range ends", () => {
  using time = manualTime();
  using pool = RangePool.join("a.example", 2);
  const job = new Job(20);
  using _announced = pool.announce(job);
  using _job = pool.add(job);

  job.unassigned = 0;
  time.pass(200);

  assertEquals(job.looks, [false, false]);
});

Deno.test("RangePool knows that connections are free once all bytes have been requested", () => {
  using pool = RangePool.join("a.example", 2);
  const job = new Job(10);
  using _announced = pool.announce(job);
  using _job = pool.add(job);

  pool.dispatch();

  assertEquals(job.looks, [false, true]);
});

Deno.test("RangePool assigns bytes that have been given back", () => {
  using pool = RangePool.join("a.example", 2);
  const job = new Job(10);
  using _job = pool.add(job);
  assertEquals(job.ends.length, 1);

  job.returnLateRanges = () => job.unassigned = 10;
  pool.dispatch();

  assertEquals(job.ends.length, 2);
});

Deno.test("RangePool.unassigned counts downloads that have only been announced", () => {
  using pool = RangePool.join("a.example", 3);
  {
    using _announced = pool.announce(new Job(100));
    const job = new Job(50);
    using _other = pool.announce(job);
    using _first = pool.connect();
    using _second = pool.connect();
    using _added = pool.add(job);

    assertEquals(pool.unassigned, 140);
  }
  assertEquals(pool.unassigned, 0);
});

Deno.test("RangePool.join() shares the connections of a host, and no others", () => {
  using a = RangePool.join("a.example", 3);
  using again = RangePool.join("a.example", 5);
  using b = RangePool.join("b.example", 3);

  assertEquals([a === again, a === b, a.capacity], [true, false, 5]);
});

Deno.test("RangePool.expect() reserves the connection of another download", () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const expected = RangePool.expect("a.example");
  using _job = pool.add(job);
  assertEquals(job.ends.length, 2);

  using _connection = pool.connect();
  expected[Symbol.dispose]();
  expected[Symbol.dispose]();

  assertEquals(job.ends.length, 2);
});

Deno.test("RangePool assigns the connections of a finished download to the others", () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const expected = RangePool.expect("a.example");
  using _job = pool.add(job);

  expected[Symbol.dispose]();

  assertEquals(job.ends.length, 3);
});
