/** The root of a Nest context that is made of imports alone. Node runs bench/ as it is, and knows no decorators. */
export class ImportsOnly {
  readonly isRoot = true;
}
