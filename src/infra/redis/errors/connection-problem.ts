import { failureText } from './redis-errors.js';

/** Messages of Node and the driver, and what to do about each. */
const EXPLANATIONS: readonly (readonly [RegExp, (text: string) => string])[] = [
  [
    /self-signed certificate|unable to (?:verify|get)\b.*certificate/i,
    (text) =>
      `its certificate is not trusted (${text}); if an authority of your own has signed it, name that authority's ` +
      'certificate in NODE_EXTRA_CA_CERTS',
  ],
  [
    /does not match certificate's altnames/i,
    (text) => `its certificate is for another name (${text}); use the certificate's name in REDIS_URL`,
  ],
  [
    /cluster support disabled/i,
    () => 'it is not a node of a cluster; set REDIS_TOPOLOGY=single, or =sentinel if it is a Sentinel',
  ],
  [
    /unknown command '?sentinel/i,
    () => 'it is not a Sentinel; name the Sentinels in REDIS_URL, or set REDIS_TOPOLOGY to single or cluster',
  ],
  [/invalid reply: null/i, (text) => `the Sentinels know no server of this name; set REDIS_SENTINEL_MASTER (${text})`],
];

/** Why there is no connection, in words for an operator; carries no credentials. */
export function connectionProblem(error: unknown): string {
  const text = failureText(error);
  const [, explain] = EXPLANATIONS.find(([pattern]) => pattern.test(text)) ?? [];
  return explain?.(text) ?? text;
}
