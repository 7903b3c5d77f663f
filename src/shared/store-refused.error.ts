import { BrainError } from '@archive-brain/common';

/**
 * A store works, and refuses this one call for the data that it names: a key of another type, a vector of other dimensions,
 * a row that breaks a rule. Waiting changes nothing, and whoever has other data is served.
 */
export class StoreRefusedError extends BrainError {
  readonly code = 'STORE_REFUSED';
  readonly httpStatus = 500;

  constructor(options?: ErrorOptions) {
    super('The store refuses what was asked of it for the data of this user; the log has its reason.', options);
  }
}
