package mem

import (
	"testing"

	"hither/cache"
	"hither/cache/cachetest"
)

func TestPromises(t *testing.T) {
	cachetest.Test(t, func(*testing.T) cache.Store { return &Store{Limit: cachetest.Limit} })
}

func TestTheZeroStoreWorks(t *testing.T) {
	var s Store
	w, err := s.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(t.Context())
	if err != nil || u.Bytes != 5 || u.Limit != defaultLimit {
		t.Errorf("usage\n got %+v, %v\nwant 5 bytes of %d", u, err, defaultLimit)
	}
}
