latchkey serve --data d --listen 127.0.0.1:0 --ready-file r.json &
until [ -s r.json ]; do kill -0 $! || exit 1; sleep 0.1; done;  export LATCHKEY_DATA=d
latchkey org create acme --name Acme
latchkey domain add acme.example && latchkey domain verify acme.example --operator-word "lab"
latchkey token create --description lab --domain acme.example --no-sealed-copy --output token
latchkey policy set --enabled --domain acme.example --jit
latchkey service add wiki --metadata sp.xml && latchkey org idp-metadata --output idp.xml
latchkey-connector --state-dir s enroll --cloud-name "$(jq -r .cloud_name r.json)" --user-domain acme.example --device-token-file token --user-name anna
latchkey-connector --state-dir s sign-in http://127.0.0.1:9000/secret --output page.html --json > reached.json && jq .hops reached.json
latchkey device remove "$(latchkey device list --user anna@acme.example --json | jq -r '.items[0].id')" --force --yes      # sign-in is exit 12 from now on
latchkey audit verify
