import { redisFailuresAs } from '../../../infra/redis/index.js';
import { StreamUnavailableError } from '../../stream.errors.js';

/** The keys of the stream are shared by all users: what fails for one fails for all, and is an outage. */
export const reachingRedis = redisFailuresAs(StreamUnavailableError);
