// Runs inside a Lambda worker process: a Runtime API loop for Node.js handlers.
//
//     node handler_loop.mjs module.function        (else the name in _HANDLER)
//
// Node's own modules only. It does what AWS's Node.js runtime does: handlers that are async, return a promise or call
// back; CommonJS and ES modules; the context object; console lines with time, request id and level; the same error types
// for a module that cannot be imported or a handler that is missing; awslambda.streamifyResponse. AWS's SDK, which AWS's
// runtime has, is found on NODE_PATH: by require() of itself, by import through a hook.

import http from "node:http";
import https from "node:https";
import { existsSync } from "node:fs";
import { createRequire, register, syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL, urlToHttpOptions } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const BASE = "/2018-06-01/runtime";
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const EXTENSIONS = [".js", ".mjs", ".cjs"];
let requestId = "";

const SDK_HOOK = `
import { pathToFileURL } from "node:url";
const folders = process.env.NODE_PATH.split(":").filter(Boolean);
export async function resolve(name, context, next) {
  try {
    return await next(name, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || !/^@(aws-sdk|smithy)[/]/.test(name)) throw error;
    for (const folder of folders) {
      try {
        return await next(name, { ...context, parentURL: pathToFileURL(folder + "/../import.mjs").href });
      } catch {}
    }
    throw error;
  }
}`;
if (process.env.NODE_PATH && register) register(`data:text/javascript,${encodeURIComponent(SDK_HOOK)}`);

// What is sent to an API's own name, as SDKs ask @connections of WebSocket APIs, goes to AWS_ENDPOINT_URL, with that Host:
// outside the planet the name leads to AWS. (handler_names.py does the same for botocore.)
const API_NAME = /^[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

function leadHome() {
  const { request } = https;
  const homeward = new http.Agent({ keepAlive: true });
  https.request = (...given) => {
    const rest = [...given];
    const options = typeof rest[0] === "string" || rest[0] instanceof URL ? urlToHttpOptions(new URL(rest.shift())) : {};
    if (rest[0] && typeof rest[0] === "object") Object.assign(options, rest.shift());
    const name = options.hostname ?? options.host;
    const endpoint = process.env.AWS_ENDPOINT_URL ?? "";
    if (!endpoint.startsWith("http:") || !API_NAME.test(name)) return request(...given);
    const { hostname, port: homePort } = new URL(endpoint);
    const led = { ...options, protocol: "http:", host: hostname, hostname, port: homePort || 80, agent: homeward };
    const sent = http.request(led, ...rest);
    if (!Array.isArray(options.headers)) sent.setHeader("Host", name);
    return sent;
  };
  https.get = (...given) => https.request(...given).end();
  syncBuiltinESMExports();
}
leadHome();

class RuntimeFault extends Error {
  constructor(kind, message) {
    super(message);
    this.name = kind;
  }
}

function ask(method, what, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host, port, method, path: BASE + what, agent, headers: { ...headers } };
    if (body !== undefined) options.headers["Content-Length"] = Buffer.byteLength(body);
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

// The function's LoggingConfig: in JSON an object a line, and nothing below its level (Text knows no levels).
const JSON_LOGS = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const LEAST = JSON_LOGS ? LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL || "INFO") : 0;

function say(level, ...parts) {
  if (LEVELS.indexOf(level) < LEAST) return;
  if (JSON_LOGS) {
    const message = parts.length === 1 && typeof parts[0] === "object" && !(parts[0] instanceof Error) ? parts[0] : format(...parts);
    process.stdout.write(`${JSON.stringify({ timestamp: new Date().toISOString(), level, requestId: requestId || undefined, message })}\n`);
    return;
  }
  const text = format(...parts).replace(/\n/g, "\r");
  process.stdout.write(`${new Date().toISOString()}\t${requestId || "undefined"}\t${level}\t${text}\n`);
}

for (const [name, level] of [["log", "INFO"], ["info", "INFO"], ["debug", "DEBUG"], ["warn", "WARN"], ["error", "ERROR"], ["trace", "TRACE"]]) {
  console[name] = (...parts) => say(level, ...parts);
}

function errorBody(error) {
  const is = error instanceof Error || (error && typeof error === "object" && "message" in error);
  return {
    errorType: is ? error.name || "Error" : typeof error,
    errorMessage: is ? String(error.message) : format(error),
    trace: is && error.stack ? String(error.stack).split("\n") : [],
  };
}

async function tell(what, error) {
  const body = errorBody(error);
  const kind = { "Lambda-Runtime-Function-Error-Type": body.errorType.startsWith("Runtime.") ? body.errorType : "Unhandled" };
  await ask("POST", what, JSON.stringify(body), { "Content-Type": "application/json", ...kind });
}

async function load(handler) {
  const root = process.env.LAMBDA_TASK_ROOT;
  const file = path.basename(handler);
  const dot = file.indexOf(".");
  if (dot < 1 || handler.includes("..")) throw new RuntimeFault("Runtime.MalformedHandlerName", `'${handler}' is not a valid handler name. Use 'module.function'.`);
  const stem = path.resolve(root, path.dirname(handler), file.slice(0, dot));
  const found = EXTENSIONS.map((one) => stem + one).find(existsSync);
  let loaded;
  try {
    if (found === undefined) loaded = createRequire(path.join(root, "x.js"))(stem);
    else if (found.endsWith(".cjs")) loaded = createRequire(found)(found);
    else loaded = await import(pathToFileURL(found).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw Object.assign(new RuntimeFault("Runtime.UserCodeSyntaxError", String(error)), { stack: error.stack });
    const missing = error && (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND");
    if (missing) throw Object.assign(new RuntimeFault("Runtime.ImportModuleError", `Error: ${error.message}`), { stack: error.stack });
    throw error;
  }
  const names = file.slice(dot + 1).split(".");
  const reach = (from) => names.reduce((at, name) => (at === undefined || at === null ? undefined : at[name]), from);
  const handle = reach(loaded) ?? reach(loaded.default);
  if (handle === undefined) throw new RuntimeFault("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  if (typeof handle !== "function") throw new RuntimeFault("Runtime.HandlerNotFound", `${handler} is not a function`);
  return handle;
}

globalThis.awslambda = {
  streamifyResponse: (handle) => Object.assign(handle, { streaming: true }),
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(prelude)), Buffer.alloc(8)]);
      return stream;
    },
  },
};

// What a streaming handler writes to: the body of one request to the Runtime API, sent from the first byte on. The request
// answers as slowly as the caller reads, and so does `write`. An error goes in trailers.
class ResponseStream extends Writable {
  constructor(id) {
    super({ highWaterMark: 65536 });
    this.contentType = "application/octet-stream";
    this.answered = new Promise((resolve, reject) => {
      this.open = () => {
        const headers = {
          "Content-Type": this.contentType,
          "Lambda-Runtime-Function-Response-Mode": "streaming",
          "Transfer-Encoding": "chunked",
          Trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        };
        this.request = http.request({ host, port, agent, headers, method: "POST", path: `${BASE}/invocation/${id}/response` }, (response) => {
          response.resume();
          response.on("end", resolve);
        });
        this.request.on("error", reject);
        const { prelude } = this;
        if (prelude) this.request.write(prelude);
        this.open = () => {};
      };
    });
  }
  setContentType(type) { this.contentType = type; }
  _write(chunk, encoding, done) {
    this.open();
    if (typeof chunk === "string") chunk = Buffer.from(chunk, encoding);
    if (this.request.write(chunk)) done();
    else this.request.once("drain", done);
  }
  _final(done) {
    this.open();
    this.request.end();
    done();
  }
  fail(error) {
    const body = errorBody(error);
    this.open();
    this.request.addTrailers({
      "Lambda-Runtime-Function-Error-Type": body.errorType.startsWith("Runtime.") ? body.errorType : "Unhandled",
      "Lambda-Runtime-Function-Error-Body": Buffer.from(JSON.stringify(body)).toString("base64"),
    });
    this.request.end();
  }
}

async function runStreaming(handle, event, context, id, died) {
  const stream = new ResponseStream(id);
  const failed = new Promise((_, reject) => stream.on("error", reject));
  try {
    await Promise.race([Promise.resolve(handle(event, stream, context)).then(() => new Promise((resolve) => {
      if (stream.writableFinished) resolve();
      else stream.once("finish", resolve);
      if (!stream.writableEnded) stream.end(); // the handler forgot to
    })), failed, died]);
  } catch (error) {
    say("ERROR", "Invoke Error \t%s", JSON.stringify(errorBody(error)));
    if (stream.request === undefined) {
      await tell(`/invocation/${id}/error`, error);
    } else {
      stream.fail(error);
      await stream.answered;
    }
    if (error && error.fatal) process.exit(129);
    return;
  }
  await stream.answered;
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    clientContext: headers["lambda-runtime-client-context"] ? JSON.parse(headers["lambda-runtime-client-context"]) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// The handler's answer: what its promise resolves to; or what it calls back with, once nothing else is under way (unless
// the context says not to wait); or null, when nothing is under way any more and it did neither. A kept-alive connection
// that waits does not count: Node says "beforeExit" then.
let atRest = () => {};
process.on("beforeExit", () => atRest());

function run(handle, event, context) {
  return new Promise((resolve, reject) => {
    atRest = () => resolve(null);
    const end = (settle) => {
      if (context.callbackWaitsForEmptyEventLoop) atRest = settle;
      else settle();
    };
    const callback = (error, value) => end(error === undefined || error === null ? () => resolve(value) : () => reject(error));
    context.done = callback;
    context.succeed = (value) => callback(null, value);
    context.fail = (error) => callback(error ?? new Error("context.fail"));
    const result = handle(event, context, callback);
    if (result && typeof result.then === "function") result.then(resolve, reject);
  });
}

let fatal;
process.on("unhandledRejection", (reason) => {
  const fault = new RuntimeFault("Runtime.UnhandledPromiseRejection", reason instanceof Error ? `${reason.name}: ${reason.message}` : format(reason));
  (fatal ?? (() => process.exit(128)))(fault);
});
process.on("uncaughtException", (error) => (fatal ?? (() => process.exit(129)))(error));

async function main() {
  let handle;
  try {
    handle = await load(process.argv[2] ?? process.env._HANDLER);
  } catch (error) {
    say("ERROR", "Uncaught Exception \t%s", JSON.stringify(errorBody(error)));
    await tell("/init/error", error);
    process.exit(1);
  }
  for (;;) {
    const { status, headers, body } = await ask("GET", "/invocation/next");
    if (status !== 200) process.exit(1);
    requestId = headers["lambda-runtime-aws-request-id"];
    process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
    try {
      const died = new Promise((_, reject) => { fatal = (error) => reject(Object.assign(error, { fatal: true })); });
      if (handle.streaming) {
        await runStreaming(handle, JSON.parse(body.toString()), contextOf(headers), requestId, died);
        continue;
      }
      const answer = await Promise.race([run(handle, JSON.parse(body.toString()), contextOf(headers)), died]);
      let text;
      try {
        text = JSON.stringify(answer === undefined ? null : answer);
      } catch (error) {
        throw new RuntimeFault("Runtime.MarshalError", `Unable to stringify response body: ${error.message}`);
      }
      await ask("POST", `/invocation/${requestId}/response`, text ?? "null", { "Content-Type": "application/json" });
    } catch (error) {
      say("ERROR", "Invoke Error \t%s", JSON.stringify(errorBody(error)));
      await tell(`/invocation/${requestId}/error`, error);
      if (error && error.fatal) process.exit(129);
    }
  }
}

await main();
