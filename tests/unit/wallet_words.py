"""Words of TON wallets with seed and public key: the vectors that the wallets' own libraries are tested with."""

VECTORS = [
    (
        (
            "hospital stove relief fringe tongue always charge angry urge sentence again match "
            "nerve inquiry senior coconut label tumble carry category beauty bean road solution"
        ),
        (
            "9d659a6c2234db7f6e4f977e6e8653b9f5946d557163f31034011375d8f3f97d"
            "f6c450a16bb1c514e22f1977e390a3025599aa1e7b00068a6aacf2119484c1bd"
        ),
    ),
    (
        (
            "dose ice enrich trigger test dove century still betray gas diet dune "
            "use other base gym mad law immense village world example praise game"
        ),
        (
            "119dcf2840a3d56521d260b2f125eedc0d4f3795b9e627269a4b5a6dca8257bd"
            "c04ad1885c127fe863abb00752fa844e6439bb04f264d70de7cea580b32637ab"
        ),
    ),
    (
        (
            "hobby coil wisdom mechanic fossil pretty enough attract since choice exhaust hazard "
            "kit oven damp flip hawk tribe spice glare step hammer apple number"
        ),
        (
            "764c63ecdc92b331caf3c5a81c483da8444d4ac87d87af9e3cd36ae207d94e51"
            "99ac861b19db16bc0f01adfc6897f4760dfc44f9415284c78689d4fcc28b94f7"
        ),
    ),
]
