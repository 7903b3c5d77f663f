import { type ArgumentMetadata, BadRequestException, StandardSchemaValidationPipe } from '@nestjs/common';
import { InvalidRequestError } from '../http.errors.js';
import { describeIssues } from './request-issues.js';

/** Checks request parts against the zod schema their decorator names. */
export class ValidationPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({ exceptionFactory: (issues) => new InvalidRequestError(describeIssues(issues)) });
  }

  /** @throws InvalidRequestError, and BadRequestException where there is no body at all */
  override transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    if (metadata.type === 'body' && value === undefined) {
      throw new BadRequestException('The body is empty; send a JSON object.');
    }
    return super.transform(value, metadata);
  }
}
