package smtp

import (
	"bytes"
	"context"
	"fmt"
	netmail "net/mail"
	"path/filepath"
	"strings"

	"holdfast/services/notify"
)

// Folder is where mails go when no server is set: a file TIME-ID.eml each, which any mail program opens.
type Folder struct {
	Dir string // made when missing
}

var _ notify.Sender = Folder{}

// Send writes the file. One that is written again replaces itself.
func (f Folder) Send(_ context.Context, m notify.Mail) (string, error) {
	msg, err := message(m, &netmail.Address{Address: fallbackSender})
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return "", fmt.Errorf("write a mail: %w", err)
	}
	id, _, _ := strings.Cut(m.ID, "@")
	name := m.At.UTC().Format("20060102T150405.000") + "-" + id[:min(len(id), 12)] + ".eml"
	if err := notify.WriteFile(filepath.Join(f.Dir, name), b.Bytes()); err != nil {
		return "", fmt.Errorf("write a mail: %w", err)
	}
	return "written to " + name, nil
}
