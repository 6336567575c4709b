"""LiveKit's server as far as VoiceOps uses it: Twirp services, webhooks and the worker socket."""
