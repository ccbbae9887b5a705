package amount

import (
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
)

func TestAmounts(t *testing.T) {
	for _, row := range []struct {
		text string
		want Bytes
		back string
	}{
		{"0", 0, "0 B"}, {"4096", 4096, "4 KiB"}, {"20GiB", 20 << 30, "20 GiB"}, {"1.5 gib", 3 << 29, "1.5 GiB"},
		{"500MB", 500e6, "477 MiB"}, {"1TiB", 1 << 40, "1 TiB"}, {"1023 B", 1023, "0.999 KiB"},
		{"999.4 TiB", 1098851920799334, "999 TiB"}, {"1200 TiB", 1200 << 40, "1200 TiB"},
	} {
		got, err := ParseBytes(row.text)
		if err != nil {
			t.Error(err)
		}
		hithertest.Same(t, row.text, got, row.want)
		hithertest.Same(t, row.text+" again", got.String(), row.back)
	}
	for _, text := range []string{"", "GiB", "-1", "1 PB", "nan", "inf", "99999999TiB", "9223372036854775807"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q\n got %d\nwant an error", text, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("20GiB")
	f.Add("1e3kb")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseBytes(text); err == nil && n < 0 {
			t.Errorf("%q is %d bytes", text, n)
		}
	})
}

func TestDurationsForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", time.Microsecond: "under 1ms", 120 * time.Millisecond: "120ms", 41 * time.Second: "41s", 10 * time.Minute: "10m",
		5*time.Minute + 3*time.Second: "5m3s", time.Hour: "1h", 10 * time.Hour: "10h", 2*time.Hour + 5*time.Minute: "2h5m", 72 * time.Hour: "3 days",
	} {
		hithertest.Same(t, d.String(), Rough(d), want)
	}
}
