// Submits, fetches, completes and waits with ioredis as it comes: its connection checks, its pipelining, its retries.
const Redis = require("ioredis");

async function main(port) {
  const redis = new Redis(port, "127.0.0.1", {maxRetriesPerRequest: 3});
  const worker = new Redis(port, "127.0.0.1");
  const map = (flat) => Object.fromEntries(flat.flatMap((key, i) => (i % 2 ? [] : [[key, flat[i + 1]]])));
  const payload = (n) => JSON.stringify({args: [n], kwargs: {}});

  const ids = await Promise.all([...Array(200).keys()].map((n) => redis.call("FQ.SUBMIT", "stock.js", payload(n), "PRIORITY", n % 2 ? "high" : "low")));
  if (new Set(ids).size !== 200) throw new Error("ids are not distinct");
  const waiting = new Redis(port, "127.0.0.1").call("FQ.RESULT", ids[0], "WAIT", "10000");
  let done = 0;
  while (done < 200) {
    const tasks = (await worker.call("FQ.FETCH", "TASKS", "stock.js", "COUNT", "50", "BLOCK", "1000")).map(map);
    for (const task of tasks) {
      const value = JSON.parse(task.payload).args[0];
      if (done < 100 && value % 2 === 0) throw new Error("low priority came before high");
      const answer = await worker.call("FQ.COMPLETE", task.id, task.token, JSON.stringify(value * 2));
      if (answer !== "OK") throw new Error(`complete: ${answer}`);
      done++;
    }
  }
  const first = map(await waiting);
  if (first.status !== "success" || first.result !== "0") throw new Error(JSON.stringify(first));
  const pipeline = redis.pipeline();
  ids.forEach((id) => pipeline.call("FQ.STATUS", id));
  for (const [error, status] of await pipeline.exec()) {
    if (error || map(status).status !== "success") throw new Error(String(error || status));
  }
  const refused = await redis.call("FQ.SUBMIT", "x", "{}", "PRIORITY", "urgent").catch((error) => error.message);
  if (!/urgent|PRIORITY/i.test(refused)) throw new Error(`error does not name the argument: ${refused}`);
  console.log("ioredis: 200 tasks submitted, worked and waited for");
  process.exit(0);
}

main(Number(process.argv[2])).catch((error) => { console.error(error); process.exit(1); });
