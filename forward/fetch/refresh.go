package fetch

import "time"

// refreshRest is how long nobody is asked for a new copy after that failed, while the old one is good enough: each request
// would begin a fill that fails.
const refreshRest = 15 * time.Second

func (f *Fetcher) rests(req Request) bool {
	_, rests := f.tired.get(req.Name, f.now())
	return rests
}

// refresh asks for a new copy of what is served meanwhile. False: that cannot be done.
func (f *Fetcher) refresh(req Request, k kept) bool {
	f.miss(req)
	fl, _, err := f.flights.join(f, req, k, true)
	if err == nil {
		fl.part()
	}
	return err == nil
}
