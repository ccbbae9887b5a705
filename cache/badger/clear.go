package badger

import "context"

// maxCleared is how many bytes of keys are dropped at a time.
const maxCleared = 8 << 20

// Clear drops all but pinned names. It is not done name by name: while some of a log file's blobs are left, those would be written
// elsewhere to give the others' room back, again and again.
func (s *Store) Clear(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	if err := s.clear(ctx, namePrefix, func(keys []string) error { return s.forget(keys, flagPinned) }); err != nil {
		return err
	}
	return s.clear(ctx, headerPrefix, func(keys []string) error { return s.unlink(keys, func(header) bool { return true }) })
}

// clear calls drop with all keys under prefix, those of one stripe at a time.
func (s *Store) clear(ctx context.Context, prefix string, drop func(keys []string) error) error {
	for from := prefix; ; {
		keys, err := s.keys(prefix, from, maxCleared)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, group := range s.byStripe(keys) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := drop(group); err != nil {
				return err
			}
		}
		from = keys[len(keys)-1] + "\x00"
	}
}
