import { BrainError } from '@archive-brain/common';

/**
 * A store works, and refuses this one call for the data that it names: a key of another type, a vector of other
 * dimensions, a row that breaks a rule. A retry does not help, and calls for other data succeed.
 */
export class StoreRefusedError extends BrainError {
  readonly code = 'STORE_REFUSED';
  readonly httpStatus = 500;

  constructor(options?: ErrorOptions) {
    super('The store refuses this call for the data of this user. See the log for the reason.', options);
  }
}
