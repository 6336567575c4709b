// What the server refuses, as an exception with its code.

export interface FieldError {
  loc: (string | number)[];
  msg: string;
  type: string;
}

/** An answer other than 2xx. `code` never changes; compare it, not the sentence. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string | FieldError[],
    readonly requestId: string,
  ) {
    super(`${status} ${code}: ${sentenceOf(detail)}`);
    this.name = "ApiError";
  }

  static async of(response: Response): Promise<ApiError> {
    const body: unknown = await response.json().catch(() => null);
    const detail = (body as { detail?: string | FieldError[] } | null)?.detail ?? response.statusText;
    const { headers } = response;
    return new ApiError(response.status, headers.get("Error-Code") ?? "", detail, headers.get("X-Request-ID") ?? "");
  }
}

function sentenceOf(detail: string | FieldError[]): string {
  if (typeof detail === "string") return detail;
  return detail.map((error) => `${error.loc.join(".")}: ${error.msg}`).join("; ");
}
