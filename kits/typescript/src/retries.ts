// A fetch that repeats what may be repeated. A POST is sent with an Idempotency-Key, so that the
// server carries it out once however often it arrives.

export interface Retries {
  /** How often a request is sent at most. */
  attempts: number;
  /** The pause before the second attempt; it doubles with each. A `Retry-After` goes before it. */
  firstPauseMs: number;
}

const PASSING = new Set([429, 502, 503, 504]);
const MAX_PAUSE_MS = 30_000;

export function retryingFetch(send: typeof fetch, retries: Retries): (request: Request) => Promise<Response> {
  return async (original) => {
    const request = withKey(original);
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= retries.attempts;
      let retryAfter: string | null = null;
      try {
        // Each attempt sends a copy, because a body can be read once.
        const response = await send(request.clone());
        if (isLast || !mayPass(response)) return response;
        retryAfter = response.headers.get("Retry-After");
        await response.body?.cancel();
      } catch (error) {
        if (isLast || request.signal.aborted) throw error;
      }
      await pause(attempt, retryAfter, retries);
    }
  };
}

function withKey(request: Request): Request {
  if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", crypto.randomUUID());
  }
  return request;
}

function mayPass(response: Response): boolean {
  // A first request with the same key is still running: it has an answer in a moment.
  return PASSING.has(response.status) || response.headers.get("Error-Code") === "request_in_progress";
}

function pause(attempt: number, retryAfter: string | null, retries: Retries): Promise<void> {
  const growing = retries.firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random());
  const asked = Number(retryAfter ?? NaN) * 1000;
  const wait = Math.min(Number.isNaN(asked) ? growing : asked, MAX_PAUSE_MS);
  return new Promise((resolve) => setTimeout(resolve, wait));
}
