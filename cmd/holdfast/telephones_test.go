package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"holdfast/media/record"
	"holdfast/tenants/routing"
)

func TestWhoHasNoTelephoneIsAskedAsStraightAsWhoHasOne(t *testing.T) {
	t.Parallel()
	digests, before := map[bool]int{}, map[string]bool{}
	for node := range 2 { // or a new start
		keys, err := record.NewKeys(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		phones := newTelephones(&routing.Book{}, nil, keys, slog.New(slog.DiscardHandler))
		for i := range 40 {
			user := fmt.Sprintf("eve%d.harbor", i)
			p, known := phones.Phone(user)
			if _, err := phones.Open(user, p); known || err == nil {
				t.Errorf("%s is let in: %v", user, err)
			}
			if node == 1 && before[user] != p.MD5 {
				t.Errorf("%s is asked for another digest by another node, as nobody is who has a telephone", user)
			}
			before[user] = p.MD5
			digests[p.MD5]++
		}
	}
	if digests[true] < 10 || digests[false] < 10 {
		t.Errorf("by the digest that it is asked for one tells who has a telephone: %v", digests)
	}
}
