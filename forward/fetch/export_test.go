package fetch

// Owed is how many bulk bodies, and how many bytes of them, are said to be under way.
func (f *Fetcher) Owed() (load int, owed int64) {
	f.spread.mu.Lock()
	defer f.spread.mu.Unlock()
	for _, fan := range f.spread.sources {
		load += len(fan.clients)
		for _, flow := range fan.flows {
			load, owed = load+flow.load, owed+flow.owed
		}
	}
	return load, owed
}
