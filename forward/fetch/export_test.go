package fetch

// Owed is how many bulk bodies, and how many bytes of them, are said to be under way.
func (f *Fetcher) Owed() (load int, owed int64) { return f.spread.Owed() }
