package routing

import (
	"crypto/sha256"
	"testing"
)

// FuzzDecode tries files as they are, and contents under a right header, which the checksum would keep it from finding.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("HFRC"))
	f.Add([]byte(`{"tenant":"harbor","since":"9999-12-31T23:59:59-01:00","numbers":[{"e164":"+1"},{"e164":"+1"}],"operators":[{}]}`))
	f.Add([]byte(`[{"name":"demo","signal":["127.0.0.0/16"]}]`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		for _, kind := range []byte{kindCopy, kindTrunks} {
			whole := append([]byte(magic), version, kind)
			whole = append(whole, sum[:]...)
			for _, raw := range [][]byte{body, append(whole, body...)} {
				if c, err := Decode(raw); err == nil {
					var b Book
					b.Put(c)
					c.Sort()
					c.Hash()
					_, _ = Encode(c)
				}
				_, _ = DecodeTrunks(raw)
			}
		}
	})
}
