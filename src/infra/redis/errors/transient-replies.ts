/**
 * The codes of replies that tell of the server, the cluster or the brain's access to it. Whatever is asked then fails
 * or soon will, so it is waited for; any other reply concerns the keys and values of the one command.
 */
const TRANSIENT_CODES = new Set([
  // The server is not there yet, or does something else first.
  ...['LOADING', 'BUSY', 'UNBLOCKED'],
  // It takes no writes: for want of memory, of a disk or of replicas, or because it is a replica now.
  ...['OOM', 'MISCONF', 'NOREPLICAS', 'READONLY', 'MASTERDOWN'],
  // Slots have no owner or are on their way, further than the driver has followed them.
  ...['CLUSTERDOWN', 'TRYAGAIN', 'MOVED', 'ASK'],
  // The user, its password or its rules are wrong, for every command of its kind.
  ...['NOAUTH', 'WRONGPASS', 'NOPERM', 'DENIED'],
  // It was flushed: what the next call makes anew is missing.
  ...['NOSCRIPT', 'NOGROUP'],
]);

/**
 * Of those that begin with a plain `ERR`, what everybody meets: connections, passwords, rules, a server of another
 * version.
 */
const TRANSIENT_TEXTS =
  /^ERR (?:max number of clients|invalid password|AUTH |ACL failure|unknown (?:sub)?command|Unknown Redis command called)/i;

/** @param text the reply's whole text, which begins with its code */
export function isTransientReply(text: string): boolean {
  return TRANSIENT_CODES.has(text.split(' ', 1)[0] ?? '') || TRANSIENT_TEXTS.test(text);
}
