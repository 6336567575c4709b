export { type Options, type RequestOptions, VoiceOps } from "./client.js";
export { ApiError, type FieldError } from "./errors.js";
export type { components, operations, paths } from "./schema.js";
export type * from "./types.js";
export { verifyWebhook, WebhookError } from "./webhooks.js";
