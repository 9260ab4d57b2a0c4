package pki

import (
	"encoding/hex"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attributes        []Attribute
		forward, reversed string
	}{
		{nil, "", ""},
		{[]Attribute{{Country, "US"}, {State, "Washington"}, {Locality, "Seattle"}, {Organization, "Amazon Web Services"}, {OrganizationalUnit, "Security"}, {CommonName, "My Client"}},
			"C=US,ST=Washington,L=Seattle,O=Amazon Web Services,OU=Security,CN=My Client",
			"CN=My Client,OU=Security,O=Amazon Web Services,L=Seattle,ST=Washington,C=US"},
		{[]Attribute{{CommonName, `a,b+c"d\e<f>g;h=i`}}, `CN=a\,b\+c\"d\\e\<f\>g\;h=i`, `CN=a\,b\+c\"d\\e\<f\>g\;h=i`},
		{[]Attribute{{CommonName, "# x "}, {CommonName, " y"}}, `CN=\# x\ ,CN=\ y`, `CN=\ y,CN=\# x\ `},
		{[]Attribute{{CommonName, "a\nb\x00c"}}, `CN=a\0Ab\00c`, `CN=a\0Ab\00c`},
		{[]Attribute{{EmailAddress, "a@example.com"}, {DomainComponent, "example"}, {UserID, "u"}, {SubjectSerialNumber, "1"}, {GivenName, "G"}, {Surname, "S"}},
			"emailAddress=a@example.com,DC=example,UID=u,serialNumber=1,GN=G,SN=S", "SN=S,GN=G,serialNumber=1,UID=u,DC=example,emailAddress=a@example.com"},
		{[]Attribute{{"1.2.3.4", "x"}}, "1.2.3.4=#0c0178", "1.2.3.4=#0c0178"},
		{[]Attribute{{CommonName, "Zoë"}}, "CN=Zoë", "CN=Zoë"},
	} {
		raw, err := EncodeName(c.attributes)
		if err != nil {
			t.Fatal(err)
		}
		if got := FormatName(raw); got != c.forward {
			t.Errorf("got  %s\nwant %s", got, c.forward)
		}
		if got := ReversedName(raw); got != c.reversed {
			t.Errorf("got  %s\nwant %s", got, c.reversed)
		}
	}
	for name, c := range map[string]struct{ hex, want string }{
		"two in one RDN":  {"301c311a300806035504030c0161300e06092a864886f70d0109011601" + "62", "CN=a+emailAddress=b"},
		"BMPString":       {"300f310d300b06035504031e0400410042", "CN=AB"},
		"TeletexString":   {"300c310a30080603550403140" + "1e9", "CN=é"},
		"IA5String":       {"300c310a300806035504031601" + "61", "CN=a"},
		"an INTEGER":      {"300c310a300806035504030201" + "05", "CN=#020105"},
		"not UTF-8":       {"300c310a300806035504030c01" + "ff", "CN=#0c01ff"},
		"no name at all":  {"0500", "#0500"},
		"an empty RDN":    {"30023100", "#30023100"},
		"bytes behind it": {"300000", "#300000"},
	} {
		raw, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := FormatName(raw); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	for _, bad := range []Attribute{{Country, "Ü"}, {Country, ""}, {EmailAddress, "ü@x"}, {"x", "y"}, {"3.1", "y"}, {"1.40", "y"}, {"1", "y"}, {"1.2.03", "y"}, {CommonName, "\xff"}, {"1.2.99999999999", "y"}} {
		if raw, err := EncodeName([]Attribute{bad}); ruleOf(err) != RuleSubject {
			t.Errorf("%v: got %x, %v", bad, raw, err)
		}
	}
}

func TestSerialForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, hex, colons, openssl string }{
		{"1", "01", "01", "1"},
		{"0", "00", "00", "0"},
		{"255", "ff", "ff", "255"},
		{"256", "0100", "01:00", "256"},
		{"18446744073709551615", "ffffffffffffffff", "ff:ff:ff:ff:ff:ff:ff:ff", "18446744073709551615"},
		{"18446744073709551616", "010000000000000000", "01:00:00:00:00:00:00:00:00", "01:00:00:00:00:00:00:00:00"},
		{"-5", "-05", "-05", "-5"},
	} {
		n, _ := new(big.Int).SetString(c.n, 10)
		if SerialHex(n) != c.hex || SerialColons(n) != c.colons || SerialOpenSSL(n) != c.openssl {
			t.Errorf("%s: %s %s %s", c.n, SerialHex(n), SerialColons(n), SerialOpenSSL(n))
		}
	}
	for text, want := range map[string]string{
		"67:07:44:76:83:a9:b7:f4:05:56:27:ff:d5:5c:eb:cc": "6707447683a9b7f4055627ffd55cebcc",
		"6707447683A9B7F4055627FFD55CEBCC":                "6707447683a9b7f4055627ffd55cebcc",
		"abc":                                             "0abc",
		"00:ff":                                           "ff",
		"":                                                "!",
		":":                                               "!",
		"0x12":                                            "!",
		"-12":                                             "!",
		"1:2":                                             "!",
		"12 ":                                             "!",
		strings.Repeat("ff", 21):                          "!",
	} {
		n, err := ParseSerial(text)
		if err != nil {
			if want != "!" {
				t.Errorf("%q: %v", text, err)
			}
		} else if SerialHex(n) != want {
			t.Errorf("%q: got %s, want %s", text, SerialHex(n), want)
		}
	}
}

func TestPEM(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	text := EncodePEM(PEMCertificate, root.Raw)
	lines := strings.Split(text, "\n")
	if lines[0] != "-----BEGIN CERTIFICATE-----" || len(lines[1]) != 64 || !strings.HasSuffix(text, "-----END CERTIFICATE-----\n") {
		t.Error(text)
	}
	if bare := EncodePEMBare(PEMCertificate, root.Raw); bare+"\n" != text {
		t.Errorf("%q", bare)
	}
	if chain := EncodeChainBare(certs(root, root)); chain != text+strings.TrimSuffix(text, "\n") {
		t.Errorf("%q", chain)
	}
	if EncodeChain(nil) != "" || EncodeChainBare(nil) != "" {
		t.Error("an empty chain is not empty")
	}
}

func TestEncryptPKCS8(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"rsa": rsaKey, "ec": newKey(t)} {
		plain, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		passphrase := "pass phrase\n" // never trimmed
		sealed, err := EncryptPKCS8(plain, []byte(passphrase), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if name == "rsa" {
			// The beginning of ACM's own sample for a 2048-bit key. Its third and fourth octets are
			// the length of the whole, which differs by a block from key to key.
			sample, err := base64.StdEncoding.DecodeString("MIIFKzBVBgkqhkiG9w0BBQ0wSDAnBgkqhkiG9w0BBQwwGgQU")
			if err != nil {
				t.Fatal(err)
			}
			if string(sealed[:2]) != string(sample[:2]) || string(sealed[4:len(sample)]) != string(sample[4:]) {
				t.Errorf("begins with %x, want %x but for octets 3 and 4", sealed[:len(sample)], sample)
			}
		}
		// Decrypt by hand: the last 16 octets of the parameters are the IV, the salt
		// stands before the iteration count 2048.
		at := strings.Index(string(sealed), "\x02\x02\x08\x00")
		salt := sealed[at-20 : at]
		iv := sealed[at+4+2+2+9+2 : at+4+2+2+9+2+16]
		body := sealed[len(sealed)-(len(plain)/16+1)*16:]
		secret, err := pbkdf2.Key(sha1.New, passphrase, salt, 2048, 32)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, len(body))
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, body)
		if string(out[:len(plain)]) != string(plain) {
			t.Errorf("%s: does not decrypt", name)
		}
		openssl, err := exec.LookPath("openssl")
		if err != nil {
			continue
		}
		dir := t.TempDir()
		in, pass, decrypted := filepath.Join(dir, "in"), filepath.Join(dir, "pass"), filepath.Join(dir, "out")
		sealed, err = EncryptPKCS8(plain, []byte("secret"), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{in: EncodePEM(PEMEncryptedKey, sealed), pass: "secret"} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tool := map[string]string{"rsa": "rsa", "ec": "pkey"}[name]
		if msg, err := exec.Command(openssl, tool, "-in", in, "-out", decrypted, "-passin", "file:"+pass).CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %v\n%s", tool, err, msg)
			continue
		}
		text, err := os.ReadFile(decrypted)
		if err != nil || string(text) != EncodePEM(PEMPrivateKey, plain) {
			t.Errorf("openssl %s decrypted something else (%v)", tool, err)
		}
	}
	if _, err := EncryptPKCS8([]byte("x"), []byte("y"), strings.NewReader("short")); err == nil {
		t.Error("a salt from too little randomness")
	}
}

func FuzzNames(f *testing.F) {
	for _, n := range [][]Attribute{nil, {{Country, "US"}, {CommonName, "a,b"}}, {{EmailAddress, "a@b"}}} {
		raw, err := EncodeName(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	raw, _ := hex.DecodeString("300f310d300b06035504031e0400410042")
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		forward, reversed := FormatName(raw), ReversedName(raw)
		if len(forward) != len(reversed) {
			t.Fatalf("%q and %q", forward, reversed)
		}
		if strings.ContainsAny(forward, "\n\r\x00") {
			t.Fatalf("control characters in %q", forward)
		}
		list, err := AttributesOf(raw)
		if err != nil {
			return
		}
		for _, a := range list {
			if _, err := ParseOID(a.OID); err == nil && a.OID == CommonName && a.Value != "" {
				if _, err := EncodeName([]Attribute{a}); err != nil {
					t.Fatal(err)
				}
			}
		}
		general := generalName{nameDirectory, raw}
		if c, err := parseConstraints(nameConstraints(t, [][]byte{{0xa4, 0}}, nil)); err == nil {
			spent := 0
			_ = c.check([]generalName{general}, &spent)
		}
	})
}

func FuzzConstraints(f *testing.F) {
	f.Add(nameConstraints(f, names(f, "dns:example.com", "email:a@b", "uri:.x", "dn:a"), names(f, "ip:\x0a\x00\x00\x00\xff\x00\x00\x00")), dnsSAN(f, "*.example.com"))
	f.Add([]byte{0x30, 0}, []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, extension, alternative []byte) {
		c, err := parseConstraints(extension)
		if err != nil {
			return
		}
		names, err := parseGeneralNames(alternative)
		if err != nil {
			return
		}
		spent := 0
		_ = c.check(names, &spent)
		for _, n := range names {
			if n.text() == "" && len(n.value) > 0 && n.kind == nameIP {
				t.Fatal("an address without text")
			}
		}
	})
}
